// EvaluationSet: documents, questions and judgements of a folder in BEIR's layout.
//
// corpus.jsonl    one document per line: {"_id": "d1", "title": "…", "text": "…"}; the title may be missing
// queries.jsonl   one question per line: {"_id": "q1", "text": "…"}
// qrels.tsv       or qrels/test.tsv: lines of question id, document id and grade, separated by tabs, with or without
//                 a header; relevant from grade 1
// Each may be compressed and named with .gz behind. Other keys and files are passed over.
// Thread safety: values and pure functions of the file system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/ranking_measures.h"

namespace ragtime::server {

struct EvaluationDocument {
  std::string id;
  std::string title;
  std::string text;
};

struct EvaluationQuery {
  std::string id;
  std::string text;
  engine::Grades grades;  // By place in EvaluationSet::documents.
};

struct EvaluationSet {
  std::string name;  // The folder's.
  std::vector<EvaluationDocument> documents;
  std::vector<EvaluationQuery> queries;  // Those with a relevant document, in the order of the file.
  std::size_t queries_unjudged = 0;      // Those without, which nothing can be said about.
};

// Errors: invalid_argument with file and line, and what to do; not_found when a file is missing; corrupt when a
// compressed one is damaged.
Result<EvaluationSet> read_evaluation_set(const std::filesystem::path& folder);

// Leaves `count` queries, chosen by `seed`, in their order; all when there are no more.
void sample_queries(EvaluationSet& set, std::size_t count, std::uint64_t seed);

}  // namespace ragtime::server
