#include "rag/complexity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>

#include "rag/prompt.h"
#include "rag/question.h"
#include "text/chunker.h"
#include "text/utf8.h"

namespace ragtime::rag {
namespace {

using Words = std::span<const std::string_view>;

// Asked of somebody who has to think.
constexpr auto kReasoning = std::to_array<std::string_view>(
    {"why ",        "compare",       "contrast",     "trade-off",     "tradeoff",  "pros and cons", "prove",
     "derive",      "step by step",  "step-by-step", "analyze",       "analyse",   "evaluate",      "critique",
     "root cause",  "what if",       "implication",  "justify",       "argue",     "reason about",  "optimi",
     "debug",       "diagnose",      "refactor",     "architect",     "strategy",  "advantages",    "under which conditions",
     "为什么",      "为何",          "对比",          "权衡",      "优缺点",        "利弊",
     "证明",        "推导",          "一步一步",     "逐步",          "分析",      "评估",          "评价",
     "根本原因",    "论证",          "优化",         "调试",          "排查",      "重构",          "架构",
     "策略",        "推理",          "假如",         "如果",          "影响",      "取舍",
     // Not 比较慢, "rather slow".
     "，比较",      "。比较",        "：比较",       "\n比较",       "请比较",    "比较两",        "比较不同"});

// Asked to make something.
constexpr auto kProduction = std::to_array<std::string_view>(
    {"write a",  "write an",  "implement", "design",   "draft",    "create a", "build a", "generate a", "plan for", "plan a",
     "refute",   "essay",     "proposal",  "write me", "实现",     "编写",     "写一个",  "写一篇",     "写一段",   "设计",
     "制定",     "撰写",      "方案",      "开发",     "规划",     "生成一"});

// Asked for an explanation, more than a fact and less than a judgement.
constexpr auto kExplanation = std::to_array<std::string_view>(
    {"how do", "how does", "how can", "how to", "how would", "how should", "explain", "describe", "summari", "difference", "differ ",
     "relationship", "outline", "怎么", "怎样", "如何", "解释", "说明", "总结", "概括", "区别", "不同", "关系", "介绍", "流程", "原理"});

constexpr auto kConstraints = std::to_array<std::string_view>(
    {" must ", "at least", "at most", "without ", "no more than", "exactly", "constraint", "requirement", "必须", "至少", "最多", "不超过", "不得", "要求", "限制", "同时"});

constexpr auto kMathematics = std::to_array<std::string_view>(
    {"\\frac", "\\sum", "\\int", "integral", "equation", "theorem", "probability", "complexity of", "big-o", "∑", "∫", "√", "≤", "≥", "lemma", "matrix",
     "积分", "方程", "定理", "概率", "矩阵", "时间复杂度", "导数"});

std::string lowered(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

std::size_t count_any(std::string_view text, Words words) {
  const auto inside = [&](std::string_view word) { return text.find(word) != std::string_view::npos; };
  return static_cast<std::size_t>(std::count_if(words.begin(), words.end(), inside));
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++count;
  return count;
}

bool begins_list_item(std::string_view line) {
  while (line.starts_with(' ') || line.starts_with('\t')) line.remove_prefix(1);
  if (line.starts_with("- ") || line.starts_with("* ") || line.starts_with("• ")) return true;
  std::size_t digits = 0;
  while (digits < line.size() && line[digits] >= '0' && line[digits] <= '9') ++digits;
  const std::string_view rest = line.substr(digits);
  return digits > 0 && digits < 3 &&
         (rest.starts_with(". ") || rest.starts_with(") ") || rest.starts_with("、") || rest.starts_with("）") || rest.starts_with("."));
}

std::size_t count_list_items(std::string_view text) {
  std::size_t items = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (begins_list_item(text.substr(0, end))) ++items;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return items;
}

bool has_code(std::string_view text) {
  constexpr auto kSigns = std::to_array<std::string_view>(
      {"```", "#include", "def ", "();", "){", ") {", "=> ", "select * ", "traceback (", "std::", "import "});
  return text.find("```") != std::string_view::npos || count_any(text, kSigns) >= 2;
}

class Assessment {
 public:
  void add(std::string_view reason, double weight) {
    if (weight != 0) parts_.emplace_back(weight, reason);
  }

  ComplexityReport report(const ComplexityThresholds& thresholds) {
    std::stable_sort(parts_.begin(), parts_.end(),
                     [](const auto& a, const auto& b) { return std::abs(a.first) > std::abs(b.first); });
    ComplexityReport report;
    for (const auto& [weight, reason] : parts_) {
      report.score += weight;
      report.reasons.emplace_back(reason);
    }
    report.score = std::clamp(report.score, 0.0, 1.0);
    if (report.score >= thresholds.balanced) report.complexity = Complexity::balanced;
    if (report.score >= thresholds.strong) report.complexity = Complexity::strong;
    return report;
  }

 private:
  std::vector<std::pair<double, std::string_view>> parts_;
};

// Grows with the logarithm: 0 up to 16 tokens, about 0.2 at 128 and 0.4 at 1024.
double length_weight(std::string_view question) {
  const double tokens = static_cast<double>(text::count_tokens(question));
  return std::clamp(0.066 * std::log2(std::max(tokens, 16.0) / 16), 0.0, 0.45);
}

// The first sign weighs most.
double diminishing(std::size_t count, double first, double further, double most) {
  return count == 0 ? 0 : std::min(most, first + further * static_cast<double>(count - 1));
}

double depth_weight(const std::vector<llm::ChatMessage>& messages) {
  const auto is_user = [](const llm::ChatMessage& message) { return message.role == "user"; };
  const auto turns = std::count_if(messages.begin(), messages.end(), is_user);
  return turns > 12 ? 0.15 : turns > 6 ? 0.1 : turns > 3 ? 0.05 : 0;
}

bool is_lookup(std::string_view question) {
  const AnswerKind kind = read_question(question).kind;
  return kind != AnswerKind::any;
}

void add_structure(std::string_view text, Assessment& assessment) {
  assessment.add("list", diminishing(count_list_items(text), 0.06, 0.06, 0.3));
  if (has_code(text)) assessment.add("code", 0.25);
  const std::size_t questions = count_of(text, "?") + count_of(text, "？");
  if (questions > 1) assessment.add("several questions", diminishing(questions - 1, 0.16, 0.1, 0.3));
}

}  // namespace

std::string_view name(Complexity complexity) {
  switch (complexity) {
    case Complexity::light:
      return "light";
    case Complexity::balanced:
      return "balanced";
    case Complexity::strong:
      return "strong";
  }
  return "balanced";
}

ComplexityReport assess_complexity(const std::vector<llm::ChatMessage>& messages,
                                   std::optional<double> retrieval_confidence, const ComplexityThresholds& thresholds) {
  const std::string question(last_question(messages));
  const std::string lower = lowered(question);
  const std::string text = "，" + lower;  // Words that begin a clause are found at the very beginning too.
  Assessment assessment;
  assessment.add("length", length_weight(question));
  add_structure(lower, assessment);
  const std::size_t reasoning = count_any(text, kReasoning);
  const std::size_t explanation = count_any(text, kExplanation);
  assessment.add("reasoning", diminishing(reasoning, 0.3, 0.2, 0.65));
  assessment.add("production", diminishing(count_any(text, kProduction), 0.3, 0.1, 0.45));
  assessment.add("explanation", diminishing(explanation, 0.27, 0.05, 0.37));
  assessment.add("constraints", diminishing(count_any(text, kConstraints), 0.08, 0.08, 0.24));
  assessment.add("mathematics", diminishing(count_any(text, kMathematics), 0.2, 0.1, 0.4));
  assessment.add("conversation", depth_weight(messages));
  const bool lookup = reasoning == 0 && explanation == 0 && is_lookup(question);
  if (lookup) assessment.add("look-up", -0.1);
  if (retrieval_confidence && *retrieval_confidence < thresholds.confidence_low) assessment.add("uncertain search", 0.15);
  if (retrieval_confidence && *retrieval_confidence > thresholds.confidence_high && lookup) {
    assessment.add("certain search", -0.1);
  }
  return assessment.report(thresholds);
}

RouteChoice choose_route(const RoutingConfig& config, std::string_view default_model,
                         const std::vector<llm::ChatMessage>& messages, std::optional<double> retrieval_confidence) {
  RouteChoice choice;
  choice.report = assess_complexity(messages, retrieval_confidence, config.thresholds);
  const std::array<const std::string*, 3> models = {&config.light, &config.balanced, &config.strong};
  const auto wanted = static_cast<std::size_t>(choice.report.complexity);
  for (std::size_t i = wanted + 1; i-- > 0 && choice.model.empty();) choice.model = *models[i];
  for (std::size_t i = wanted; i < models.size() && choice.model.empty(); ++i) choice.model = *models[i];
  if (choice.model.empty()) choice.model = default_model;
  return choice;
}

}  // namespace ragtime::rag
