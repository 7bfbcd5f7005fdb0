#include "engine/ranking_measures.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace ragtime::engine {
namespace {

int gain_of(DocumentNumber document, const Grades& grades) {
  const auto found = grades.find(document);
  return found == grades.end() ? 0 : std::max(found->second, 0);
}

// `place` counts from 0.
double discounted(int gain, std::size_t place) {
  return gain / std::log2(static_cast<double>(place) + 2);
}

double ideal_gain(const Grades& grades, std::size_t k) {
  std::vector<int> gains;
  for (const auto& [document, grade] : grades) gains.push_back(std::max(grade, 0));
  std::sort(gains.begin(), gains.end(), std::greater<>());
  double sum = 0;
  for (std::size_t i = 0; i < std::min(k, gains.size()); ++i) sum += discounted(gains[i], i);
  return sum;
}

}  // namespace

std::size_t count_relevant(const Grades& grades) {
  return static_cast<std::size_t>(
      std::count_if(grades.begin(), grades.end(), [](const auto& judged) { return judged.second > 0; }));
}

double ndcg(const std::vector<DocumentNumber>& ranking, const Grades& grades, std::size_t k) {
  const double ideal = ideal_gain(grades, k);
  if (ideal <= 0) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < std::min(k, ranking.size()); ++i) sum += discounted(gain_of(ranking[i], grades), i);
  return sum / ideal;
}

RankingMeasures measure_ranking(const std::vector<DocumentNumber>& ranking, const Grades& grades, std::size_t k) {
  RankingMeasures out;
  const auto relevant = static_cast<double>(count_relevant(grades));
  if (relevant == 0) return out;
  double found = 0;
  for (std::size_t i = 0; i < ranking.size(); ++i) {
    if (gain_of(ranking[i], grades) == 0) continue;
    const auto rank = static_cast<double>(i + 1);
    if (i < k && found == 0) out.reciprocal_rank = 1 / rank;
    found += 1;
    out.average_precision += found / rank;
    if (i < k) out.recall = found / relevant;
  }
  out.average_precision /= relevant;
  out.recall_whole = found / relevant;
  out.ndcg = ndcg(ranking, grades, k);
  return out;
}

}  // namespace ragtime::engine
