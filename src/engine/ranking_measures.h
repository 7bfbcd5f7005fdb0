// How good a ranking is, by the judgements of one query; as trec_eval defines the measures.
//
// nDCG: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002, with the grade as gain and
// log2(rank + 1) as discount, by the best possible ranking of all judged documents. Average precision and recall count
// all relevant documents, found or not. Documents keep the order that they are given in, also where scores were equal.
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace ragtime::engine {

using DocumentNumber = std::uint32_t;

// The grades that judges gave to documents for one query; relevant from 1, those not named and those below have 0.
using Grades = std::unordered_map<DocumentNumber, int>;

std::size_t count_relevant(const Grades& grades);

// Each 0..1; all 0 for a query without a relevant document.
struct RankingMeasures {
  double ndcg = 0;               // Of the first k.
  double recall = 0;             // Share of the relevant documents among the first k.
  double reciprocal_rank = 0;    // Of the first relevant one, 0 when it is not among the first k.
  double average_precision = 0;  // Over the whole ranking.
  double recall_whole = 0;       // Share of the relevant documents in the whole ranking.
};

// `ranking` names a document once, best first.
RankingMeasures measure_ranking(const std::vector<DocumentNumber>& ranking, const Grades& grades, std::size_t k);

// Only the first of the measures.
double ndcg(const std::vector<DocumentNumber>& ranking, const Grades& grades, std::size_t k);

}  // namespace ragtime::engine
