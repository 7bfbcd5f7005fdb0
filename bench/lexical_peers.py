"""One search library behind the protocol of lexical_bench (src/index/lexical_bench.cpp), for bench/lexical_search.py.

usage: lexical_peers.py ENGINE --documents FILE --queries NAME=FILE...

Texts are terms separated by spaces, taken as they are. Every engine answers with the ten best on one thread, in the
configuration that its documents recommend for speed, all in memory where it can; k1 = 1.2 and b = 0.75.
"""

import argparse
import json
import sqlite3
import sys
import tempfile
import time

K = 10


class Tantivy:
    """One segment, memory directory; queries are built beforehand."""

    def __init__(self, lines):
        import tantivy
        self.tantivy = tantivy
        builder = tantivy.SchemaBuilder()
        builder.add_unsigned_field("number", stored=True, fast=True)
        builder.add_text_field("body", stored=False, tokenizer_name="whitespace", index_option="freq")
        self.index = tantivy.Index(builder.build())
        writer = self.index.writer(heap_size=1_000_000_000, num_threads=1)
        for number, line in enumerate(lines):
            document = tantivy.Document()
            document.add_unsigned("number", number)
            document.add_text("body", line)
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        self.index.reload()
        self.searcher = self.index.searcher()

    def prepare(self, terms):
        either = self.tantivy.Occur.Should
        clauses = [(either, self.tantivy.Query.term_query(self.index.schema, "body", term, index_option="freq")) for term in terms]
        return self.tantivy.Query.boolean_query(clauses)

    def search(self, query):
        return self.searcher.search(query, K, count=False).hits

    def numbers(self, hits):
        return [self.searcher.doc(address)["number"][0] for _, address in hits]


class Bm25s:
    """The numba backend. A batch is its fast way, so a set of queries is one call."""

    def __init__(self, lines):
        import bm25s
        self.retriever = bm25s.BM25(method="lucene", k1=1.2, b=0.75, backend="numba")
        numbers = {}  # One object a term, as a list of the terms themselves would take 60 bytes each.
        ids = [[numbers.setdefault(term, len(numbers)) for term in line.split()] for line in lines]
        self.retriever.index((ids, numbers), show_progress=False)

    def prepare(self, terms):
        return terms

    def search_all(self, queries):
        return self.retriever.retrieve(queries, k=K, show_progress=False, n_threads=1)

    def search(self, query):
        return self.search_all([query])[0][0]

    def numbers(self, hits):
        return [int(number) for number in hits]


class Fts5:
    """SQLite's full-text table without contents, merged."""

    def __init__(self, lines):
        self.database = sqlite3.connect(":memory:")
        self.database.execute("CREATE VIRTUAL TABLE texts USING fts5(body, content='', tokenize='ascii')")
        self.database.executemany("INSERT INTO texts(rowid, body) VALUES (?, ?)", enumerate(lines))
        self.database.execute("INSERT INTO texts(texts) VALUES ('optimize')")
        self.database.commit()

    def prepare(self, terms):
        return " OR ".join(f'"{term}"' for term in dict.fromkeys(terms))

    def search(self, query):
        return self.database.execute("SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?", (query, K)).fetchall()

    def numbers(self, hits):
        return [row[0] for row in hits]


class Xapian:
    """A compacted database on disk, which the system keeps in memory."""

    def __init__(self, lines):
        import xapian
        self.xapian = xapian
        self.directory = tempfile.TemporaryDirectory()
        database = xapian.WritableDatabase(self.directory.name + "/index", xapian.DB_CREATE_OR_OPEN)
        for line in lines:
            document = xapian.Document()
            for term in line.split():
                document.add_term(term.encode()[:200])
            database.add_document(document)
        database.commit()
        database.compact(self.directory.name + "/compact")
        database.close()
        self.database = xapian.Database(self.directory.name + "/compact")
        self.enquire = xapian.Enquire(self.database)
        self.enquire.set_weighting_scheme(xapian.BM25Weight(1.2, 0, 1, 0.75, 0))

    def prepare(self, terms):
        return self.xapian.Query(self.xapian.Query.OP_OR, [term.encode()[:200] for term in terms])

    def search(self, query):
        self.enquire.set_query(query)
        return self.enquire.get_mset(0, K)

    def numbers(self, hits):
        return [match.docid - 1 for match in hits]


ENGINES = {"tantivy": Tantivy, "bm25s": Bm25s, "fts5": Fts5, "xapian": Xapian}


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def measure(engine, queries):
    microseconds = []
    if isinstance(engine, Bm25s):
        started = time.perf_counter()
        engine.search_all(queries)
        seconds = time.perf_counter() - started
    else:
        started = time.perf_counter()
        for query in queries:
            begin = time.perf_counter()
            engine.search(query)
            microseconds.append(1e6 * (time.perf_counter() - begin))
        seconds = time.perf_counter() - started
    microseconds.sort()
    at = lambda q: microseconds[int(q * (len(microseconds) - 1))] if microseconds else None
    return {"seconds": seconds, "p50_us": at(0.5), "p99_us": at(0.99)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--documents", required=True)
    parser.add_argument("--queries", action="append", default=[])
    arguments = parser.parse_args()
    lines = read_lines(arguments.documents)
    ENGINES[arguments.engine](lines[:100])  # Imports and compilation are not indexing.
    started = time.perf_counter()
    engine = ENGINES[arguments.engine](lines)
    print(json.dumps({"documents": len(lines), "seconds": time.perf_counter() - started}), flush=True)
    sets = {}
    for given in arguments.queries:
        name, path = given.split("=", 1)
        sets[name] = [engine.prepare(line.split()) for line in read_lines(path)]
    for line in sys.stdin:
        command, name, *rest = line.split()
        if command == "measure":
            print(json.dumps(measure(engine, sets[name])), flush=True)
        elif command == "top":
            tops = [engine.numbers(engine.search(query)) for query in sets[name][: int(rest[0])]]
            print(json.dumps([[int(number) for number in top] for top in tops]), flush=True)


if __name__ == "__main__":
    main()
