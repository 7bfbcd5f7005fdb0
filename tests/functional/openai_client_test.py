"""The official OpenAI Python client, unmodified, through the whole life of a document."""

import base64
import io
import struct

import openai
import pytest

HANDBOOK = """# Turbine handbook

## Start-up

The rotor of the Kestrel-7 turbine reaches its idle speed of 412 revolutions per minute after ninety seconds.
Operators open the bleed valve before ignition.

## Maintenance

The oil filter of the Kestrel-7 is replaced every 250 operating hours.
"""

CHINESE = """# 水泵手册

三号水泵的额定流量为每小时85立方米。滤网每两周清洗一次。
"""


@pytest.fixture(scope="module")
def client(server_with_model):
    return openai.OpenAI(base_url=server_with_model.url + "/v1", api_key="unused", max_retries=0)


@pytest.fixture(scope="module")
def store(client):
    """A vector store with an English and a Chinese document, and their files."""
    english = client.files.create(file=("handbook.md", HANDBOOK.encode()), purpose="assistants")
    chinese = client.files.create(file=("水泵.md", CHINESE.encode()), purpose="assistants")
    store = client.vector_stores.create(name="plant", metadata={"site": "north"})
    attached = client.vector_stores.files.create_and_poll(
        english.id, vector_store_id=store.id, attributes={"kind": "turbine", "year": 2024})
    assert attached.status == "completed", attached.last_error
    client.vector_stores.files.create_and_poll(
        chinese.id, vector_store_id=store.id, attributes={"kind": "pump", "year": 2020})
    return client.vector_stores.retrieve(store.id), english, chinese


def search_tool(store, **options):
    return {"type": "file_search", "vector_store_ids": [store.id], **options}


def test_models(client):
    names = [model.id for model in client.models.list()]
    assert "ragtime-extractive" in names and "all-MiniLM-L6-v2" in names
    assert client.models.retrieve("ragtime-extractive").object == "model"
    with pytest.raises(openai.NotFoundError) as error:
        client.models.retrieve("no-such-model")
    assert error.value.body["code"] == "model_not_found"


def test_file_fields_and_content(client, store):
    _, english, chinese = store
    file = client.files.retrieve(english.id)
    assert (file.object, file.filename, file.bytes, file.purpose) == (
        "file", "handbook.md", len(HANDBOOK.encode()), "assistants")
    assert client.files.content(chinese.id).read().decode() == CHINESE
    assert client.files.retrieve(chinese.id).filename == "水泵.md"
    assert {english.id, chinese.id} <= {item.id for item in client.files.list()}
    assert [item.id for item in client.files.list(order="asc", limit=1)] == [english.id, chinese.id]  # pages follow


def test_store_counts(client, store):
    vector_store, _, _ = store
    assert vector_store.status == "completed"
    assert vector_store.file_counts.completed == vector_store.file_counts.total == 2
    assert vector_store.usage_bytes > 0 and vector_store.metadata == {"site": "north"}
    assert client.vector_stores.update(vector_store.id, name="plant two").name == "plant two"


def test_file_content_of_a_store(client, store):
    vector_store, english, _ = store
    pages = client.vector_stores.files.content(english.id, vector_store_id=vector_store.id)
    assert "412 revolutions" in "".join(part.text for part in pages)


def test_batch(client):
    files = [client.files.create(file=(f"{name}.txt", f"The {name} is blue.".encode()), purpose="assistants")
             for name in ("door", "roof")]
    store = client.vector_stores.create(name="batch")
    batch = client.vector_stores.file_batches.create_and_poll(store.id, file_ids=[file.id for file in files])
    assert batch.status == "completed" and batch.file_counts.completed == 2
    listed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id)
    assert {item.id for item in listed} == {file.id for file in files}
    uploaded = client.vector_stores.files.upload_and_poll(
        vector_store_id=store.id, file=("gate.txt", io.BytesIO(b"The gate is green.")))
    assert uploaded.status == "completed"
    client.vector_stores.delete(store.id)


def test_search(client, store):
    vector_store, english, chinese = store
    hits = list(client.vector_stores.search(vector_store.id, query="How often is the oil filter replaced?"))
    assert hits[0].file_id == english.id and hits[0].filename == "handbook.md"
    assert "250 operating hours" in hits[0].content[0].text
    assert 0 <= hits[-1].score <= hits[0].score <= 1
    assert hits[0].attributes == {"kind": "turbine", "year": 2024}
    hits = list(client.vector_stores.search(vector_store.id, query="三号水泵的额定流量"))
    assert hits[0].file_id == chinese.id


@pytest.mark.parametrize("filters, expected", [
    ({"type": "eq", "key": "kind", "value": "pump"}, {"pump"}),
    ({"type": "gte", "key": "year", "value": 2021}, {"turbine"}),
    ({"type": "in", "key": "kind", "value": ["pump", "fan"]}, {"pump"}),
    ({"type": "or", "filters": [{"type": "eq", "key": "kind", "value": "pump"},
                                {"type": "lt", "key": "year", "value": 2030}]}, {"pump", "turbine"}),
    ({"type": "eq", "key": "kind", "value": "none"}, set()),
])
def test_search_filters(client, store, filters, expected):
    hits = client.vector_stores.search(store[0].id, query="turbine rotor oil 水泵", filters=filters)
    assert {hit.attributes["kind"] for hit in hits} == expected


def check_citation(annotation, text, store):
    _, english, _ = store
    assert annotation.type == "file_citation" and annotation.file_id == english.id
    assert annotation.filename == "handbook.md" and 0 <= annotation.index <= len(text)
    extra = annotation.model_extra
    assert extra["verified"] is True and extra["quote"] in HANDBOOK
    begin, end = extra["start"], extra["end"]
    assert HANDBOOK[begin:end] == extra["quote"]
    assert extra["chunk_id"]


def test_response_with_citations(client, store):
    response = client.responses.create(
        model="ragtime-extractive", input="How many revolutions per minute is the idle speed of the Kestrel-7?",
        tools=[search_tool(store[0])], include=["file_search_call.results"])
    assert response.status == "completed" and response.object == "response"
    call, message = response.output
    assert call.type == "file_search_call" and call.status == "completed"
    assert call.results and call.results[0].file_id == store[1].id
    assert "412" in response.output_text
    check_citation(message.content[0].annotations[0], response.output_text, store)
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0
    assert response.model_extra["ragtime"]["timings"]
    assert client.responses.retrieve(response.id).output_text == response.output_text


def test_response_without_include_hides_results(client, store):
    response = client.responses.create(model="ragtime-extractive", input="oil filter", tools=[search_tool(store[0])])
    assert response.output[0].results is None


def test_streamed_response(client, store):
    events = []
    with client.responses.stream(model="ragtime-extractive", input="How often is the oil filter replaced?",
                                 tools=[search_tool(store[0])]) as stream:
        for event in stream:
            events.append(event)
        final = stream.get_final_response()
    assert "250" in final.output_text
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == final.output_text
    added = [e.annotation for e in events if e.type == "response.output_text.annotation.added"]
    assert added and added[0].file_id == store[1].id
    check_citation(final.output[1].content[0].annotations[0], text, store)


def test_order_of_streamed_events(client, store):
    raw = client.responses.create(model="ragtime-extractive", input="How often is the oil filter replaced?",
                                  tools=[search_tool(store[0])], stream=True)
    events = list(raw)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    types = [event.type for event in events]
    expected = ["response.created", "response.in_progress", "response.output_item.added",
                "response.file_search_call.in_progress", "response.file_search_call.searching",
                "response.file_search_call.completed", "response.output_item.done", "response.output_item.added",
                "response.content_part.added", "response.output_text.delta"]
    assert types[:len(expected)] == expected
    assert types[-4:] == ["response.output_text.done", "response.content_part.done", "response.output_item.done",
                          "response.completed"]


def test_previous_response(client, store):
    first = client.responses.create(model="ragtime-extractive", input="Tell me about the Kestrel-7 oil filter.",
                                    tools=[search_tool(store[0])])
    second = client.responses.create(model="ragtime-extractive", input="How often?", previous_response_id=first.id,
                                     tools=[search_tool(store[0])])
    assert "250" in second.output_text and second.previous_response_id == first.id
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_chat_over_a_store_by_model_name(client, store):
    completion = client.chat.completions.create(
        model=f"ragtime-extractive@{store[0].id}",
        messages=[{"role": "user", "content": "How often is the oil filter replaced?"}])
    choice = completion.choices[0]
    assert "250" in choice.message.content and choice.finish_reason == "stop"
    assert choice.message.model_dump()["annotations"][0]["file_id"] == store[1].id
    assert completion.usage.completion_tokens > 0


def test_chat_over_a_store_by_tool(client, store):
    completion = client.chat.completions.create(
        model="ragtime-extractive", messages=[{"role": "user", "content": "三号水泵的额定流量是多少？"}],
        extra_body={"tools": [search_tool(store[0])]})
    assert "85" in completion.choices[0].message.content


def test_streamed_chat(client, store):
    stream = client.chat.completions.create(
        model=f"ragtime-extractive@{store[0].id}", stream=True, stream_options={"include_usage": True},
        messages=[{"role": "user", "content": "How often is the oil filter replaced?"}])
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert "250" in text
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0
    assert len({c.id for c in chunks}) == 1
    annotations = [a for c in chunks if c.choices for a in (c.choices[0].delta.model_extra or {}).get("annotations", [])]
    assert annotations[0]["file_id"] == store[1].id


def test_embeddings(client):
    texts = ["a turbine", "the rotor of an engine", "红烧肉的做法"]
    reply = client.embeddings.create(model="all-MiniLM-L6-v2", input=texts)
    vectors = [item.embedding for item in reply.data]
    assert [item.index for item in reply.data] == [0, 1, 2] and len(vectors[0]) == 384

    def cosine(a, b):
        return sum(x * y for x, y in zip(a, b))

    assert abs(cosine(vectors[0], vectors[0]) - 1) < 1e-4
    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[2])
    assert reply.usage.prompt_tokens > 0
    as_floats = client.embeddings.create(model="all-MiniLM-L6-v2", input=texts[0], encoding_format="float")
    assert max(abs(a - b) for a, b in zip(as_floats.data[0].embedding, vectors[0])) < 1e-6
    raw = client.embeddings.create(model="all-MiniLM-L6-v2", input=texts[0], encoding_format="base64")
    decoded = raw.data[0].embedding
    if isinstance(decoded, str):
        decoded = struct.unpack("<384f", base64.b64decode(decoded))
    assert max(abs(a - b) for a, b in zip(decoded, vectors[0])) < 1e-6


def test_deleting_leaves_nothing(client):
    file = client.files.create(file=("gone.txt", b"The zephyrqux password is swordfish."), purpose="assistants")
    store = client.vector_stores.create(name="short-lived", file_ids=[file.id])
    client.vector_stores.files.poll(file.id, vector_store_id=store.id)
    assert list(client.vector_stores.search(store.id, query="zephyrqux"))
    deleted = client.files.delete(file.id)
    assert deleted.deleted and deleted.object == "file"
    assert not list(client.vector_stores.search(store.id, query="zephyrqux"))
    assert not list(client.vector_stores.files.list(store.id))
    with pytest.raises(openai.NotFoundError):
        client.files.content(file.id)
    assert client.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.search(store.id, query="zephyrqux")


def test_detaching_keeps_the_file(client):
    file = client.files.create(file=("kept.txt", b"The quuxfish swims."), purpose="assistants")
    store = client.vector_stores.create(name="detach")
    client.vector_stores.files.create_and_poll(file.id, vector_store_id=store.id)
    removed = client.vector_stores.files.delete(file.id, vector_store_id=store.id)
    assert removed.object == "vector_store.file.deleted"
    assert not list(client.vector_stores.search(store.id, query="quuxfish"))
    assert client.files.retrieve(file.id).id == file.id
