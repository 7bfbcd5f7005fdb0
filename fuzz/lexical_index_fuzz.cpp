#include <span>
#include <string>
#include <vector>

#include "edited_columns.h"
#include "index/lexical_index.h"
#include "targets.h"

namespace ragtime::fuzz {
namespace {

// Words 0 … 29, of which the low ones are frequent: lists of one and of several blocks.
EditedColumns save_index() {
  index::LexicalIndex lexical;
  std::vector<index::LexicalIndex::Addition> additions;
  for (index::ChunkId id = 0; id < 600; ++id) {
    index::LexicalIndex::Addition addition{.id = id};
    for (index::ChunkId word = 0; word < 30; ++word) {
      if (id % (word + 1) == 0) addition.body.push_back("w" + std::to_string(word));
    }
    if (id % 5 == 0) addition.heading = {"w3", "w29"};
    additions.push_back(std::move(addition));
  }
  lexical.apply({}, additions);
  lexical.adopt(lexical.merge(*lexical.view()));
  EditedColumns columns;
  lexical.save(columns);
  return columns;
}

void use(index::LexicalIndex& lexical) {
  const index::LexicalQuery query{
      .terms = {"w0", "w1", "w7", "w29", "absent"}, .phrases = {{"w0", "w1"}}, .words = {{"w2", "w5"}}, .k = 20};
  const index::LexicalQuery plain{.terms = {"w0", "w3", "w11"}, .k = 3};
  static_cast<void>(lexical.view()->search(query));
  static_cast<void>(lexical.view()->search(plain));
  const std::vector<index::ChunkId> some{0, 5, 599, 7000};
  static_cast<void>(lexical.view()->scores(plain.terms, some));
  lexical.apply(some, {});
  static_cast<void>(lexical.view()->search(plain));
  lexical.adopt(lexical.merge(*lexical.view()));
}

}  // namespace

int lexical_index(const std::uint8_t* data, std::size_t size) {
  static const EditedColumns saved = save_index();
  EditedColumns columns = saved;
  columns.edit(std::span(data, size));
  auto lexical = index::LexicalIndex::load(columns, {});
  if (lexical) use(*lexical);
  return 0;
}

}  // namespace ragtime::fuzz

RAGTIME_FUZZ_ENTRY(lexical_index);
