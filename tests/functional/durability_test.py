"""kill -9 during ingest, deletes and index snapshots, again and again: what was acknowledged is there, what was deleted
is not, and nothing is half searchable.

RAGTIME_KILLS sets the number of kills (20)."""

import os
import random
import threading
import urllib.request

import pytest
from conftest import Server

ROUNDS = int(os.environ.get("RAGTIME_KILLS", "20"))
CHUNKS_EACH = 6
# Merges and snapshots after a few documents, so that kills meet them.
CONFIG = "[retrieval]\nmerge_changes = 30\n"


def text_of(word):
    """A document that becomes several chunks, each with the document's own word."""
    return "\n\n".join(f"# Part {i} of {word}\n\n" + f"{word} part{i} " + "filler text goes on. " * 120
                       for i in range(CHUNKS_EACH))


def put(server, number, word):
    """Writes the document, or deletes it when there is no word."""
    request = urllib.request.Request(
        f"{server.url}/v1/vector_stores/default/documents/documents/{number}.md",
        data=text_of(word).encode() if word else None, method="PUT" if word else "DELETE",
        headers={"Content-Type": "application/octet-stream"})
    urllib.request.urlopen(request, timeout=60).read()


def ingest_until_killed(server, seed, ledger, kill_after):
    """Acknowledged writes go to the ledger: number → word, None once deleted. Every third write replaces an earlier
    document, some delete one."""
    rng = random.Random(seed)
    acknowledged = threading.Event()
    attempted = {}

    def work():
        for step in range(10_000):
            living = [number for number, word in ledger.items() if word]
            replace = living and step % 3 == 2
            number = rng.choice(living) if replace else len(ledger) + 1
            word = None if replace and rng.random() < 0.5 else f"word{seed}x{step}"
            attempted[number] = (ledger.get(number), word)
            try:
                put(server, number, word)
            except OSError:
                return
            ledger[number] = word
            del attempted[number]
            if step + 1 >= kill_after:
                acknowledged.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert acknowledged.wait(60), server.log_text()[-2000:]
    server.kill()
    thread.join(60)
    return attempted


def parts_found(server, word):
    body = {"query": word, "max_num_results": 50}
    hits = server.call("POST", f"/v1/vector_stores/{server.store}/search", body)[2]["data"]
    return sum(word in hit["content"][0]["text"].split() for hit in hits)


def check(server, ledger, attempted, history):
    documents = server.call("GET", "/v1/vector_stores/default/documents")[2]["data"]
    listed = {int(os.path.basename(d["path"]).split(".")[0]) for d in documents} - set(attempted)
    assert listed == {number for number, word in ledger.items() if word} - set(attempted)
    for number, word in ledger.items():
        if number not in attempted and word:
            assert parts_found(server, word) >= CHUNKS_EACH, f"acknowledged document {number} lost its word {word}"
    for number, (old, new) in attempted.items():
        found = (parts_found(server, old) if old else 0, parts_found(server, new) if new else 0)
        whole = [n >= CHUNKS_EACH for n in found]
        assert all(n == 0 or n >= CHUNKS_EACH for n in found), f"document {number} is half searchable: {found}"
        assert sum(whole) == 1 or not old or not new, f"document {number}: {found}"
        if whole[1] or (old and not any(whole)):
            ledger[number] = new
    for word in history - set(ledger.values()):
        assert parts_found(server, word) == 0, f"a replaced or deleted version is still found: {word}"


def test_kill_9_loses_nothing_acknowledged(directory):
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    server = Server(directory / "data", CONFIG)
    ledger, history = {}, set()
    for round_number in range(ROUNDS):
        server.start()
        if round_number:
            server.store = next(s["id"] for s in server.call("GET", "/v1/vector_stores")[2]["data"] if s["name"] == "default")
            check(server, ledger, attempted, history)
        attempted = ingest_until_killed(server, seed + round_number, ledger, rng.randrange(1, 8))
        history |= {word for word in ledger.values() if word} | {new for _, new in attempted.values() if new}
    server.start()
    check(server, ledger, attempted, history)
    assert len(ledger) >= ROUNDS
    assert list((directory / "data" / "index").glob("*/lexical.snapshot")), "no snapshot was ever written"
    assert "index_snapshot_discarded" not in server.log_text()
    living = sum(word is not None for word in ledger.values())
    print(f"{ROUNDS} kills, {living} documents acknowledged, all found; {len(ledger) - living} deleted, none found")
    assert server.stop() == 0


def test_attached_files_survive_kill_9(directory):
    """An attach is acknowledged before its chunks exist; after a restart it is completed, not forgotten."""
    from bad_input_test import upload
    server = Server(directory / "attached").start()
    files = [upload(server, f"{i}.md", text_of(f"attached{i}").encode())[2]["id"] for i in range(30)]
    store = server.call("POST", "/v1/vector_stores", {"name": "s", "file_ids": files})[2]["id"]
    server.kill()
    server.start()
    import time
    deadline = time.monotonic() + 60
    while server.call("GET", f"/v1/vector_stores/{store}")[2]["file_counts"]["completed"] < 30:
        assert time.monotonic() < deadline, server.call("GET", f"/v1/vector_stores/{store}")[2]
        time.sleep(0.05)
    server.store = store
    for i in range(30):
        assert parts_found(server, f"attached{i}") >= CHUNKS_EACH
    assert server.stop() == 0


@pytest.mark.parametrize("kind", ["serve", "ingest"])
def test_a_second_process_is_refused(directory, kind):
    server = Server(directory / ("second-" + kind)).start()
    if kind == "serve":
        done = server.run("serve", "--listen", "127.0.0.1:0", check=False)
        assert done.returncode == 2 and str(server.process.pid) in done.stderr, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    else:  # ingest does not open the data directory itself: it talks to the server
        file = directory / "note.txt"
        file.write_text("The gizmo is orange.")
        server.run("ingest", str(file))
        documents = server.call("GET", "/v1/vector_stores/default/documents")[2]["data"]
        assert [d["path"] for d in documents] == [str(file)]
    assert server.stop() == 0
