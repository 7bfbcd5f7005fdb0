"""Real paragraphs and questions through ingest and POST /v1/vector_stores/{id}/search: is the paragraph in the first five?"""

import pathlib
import sys

import pytest
from conftest import DATA, MODEL, ROOT

sys.path.insert(0, str(ROOT / "bench"))
import retrieval_quality  # noqa: E402


@pytest.mark.parametrize("name, with_model, goal", [("squad-dev", True, 0.92), ("cmrc2018", False, 0.98)])
def test_the_paragraph_is_in_the_first_five(directory, name, with_model, goal):
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is absent; RAGTIME_DATA names another place")
    if with_model and not MODEL.exists():
        pytest.skip(f"{MODEL} is missing; scripts/fetch_model.sh gets it")
    result = retrieval_quality.measure(DATA / name, directory / name, with_model, questions=200, seed=1)
    print(result)
    assert result["found_in_5"] >= goal, result
