// Glossary: the English words that code and configuration use for common Chinese terms of computing, so that a question
// about 向量权重 finds `vector_weight`. Pure; safe from any thread.
#pragma once

#include <span>
#include <string_view>

namespace ragtime::rag {

struct GlossaryEntry {
  std::string_view term;     // Chinese.
  std::string_view meaning;  // English words, and Chinese synonyms, separated by spaces.
};

std::span<const GlossaryEntry> glossary();

}  // namespace ragtime::rag
