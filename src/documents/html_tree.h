// HtmlTree: a parsed page and what its elements mean for its text.
//
// Thread safety: a tree may be read by several threads; the functions are pure.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gumbo.h>

#include "base/result.h"

namespace ragtime::documents {

class HtmlTree {
 public:
  // `html` is UTF-8 and is only read during the call. Errors: invalid_argument when elements nest absurdly deep.
  static Result<HtmlTree> parse(std::string_view html);
  HtmlTree(HtmlTree&&) noexcept;
  ~HtmlTree();

  const GumboNode* root() const { return root_; }

 private:
  class Arena;
  explicit HtmlTree(std::unique_ptr<Arena> arena);
  std::unique_ptr<Arena> arena_;
  const GumboNode* root_ = nullptr;
};

bool is_element(const GumboNode* node);
// GUMBO_TAG_UNKNOWN for text and for elements of no standard.
GumboTag tag_of(const GumboNode* node);
std::string_view attribute(const GumboNode* node, const char* name);

// Scripts, navigation, form controls, embedded media, hidden elements.
bool is_skipped(const GumboNode* node);
// Part of a line of text, unlike what starts a paragraph of its own.
bool is_inline(GumboTag tag);
bool is_list(GumboTag tag);
// 1 for h1 to 6 for h6, else 0.
int heading_level(GumboTag tag);
// Tables also arrange pages: with headings, lists, code or tables inside, one holds blocks and not cells.
bool is_layout(const GumboNode* table);
// "cpp" for class="language-cpp".
std::string code_language(const GumboNode* node);
// Of <title>; empty without one.
std::string page_title(const GumboNode* root);

// The nodes of a tree in document order, without recursion. `enter` returns whether to go into the children; `leave` is
// called for every node for which it did.
template <class Enter, class Leave>
void walk(const GumboNode* root, Enter enter, Leave leave) {
  struct Step {
    const GumboNode* node;
    unsigned next_child;
  };
  std::vector<Step> path;
  if (enter(root)) path.push_back({root, 0});
  while (!path.empty()) {
    Step& step = path.back();
    if (!is_element(step.node) || step.next_child == step.node->v.element.children.length) {
      const GumboNode* done = step.node;
      path.pop_back();
      leave(done);
      continue;
    }
    const auto* child = static_cast<const GumboNode*>(step.node->v.element.children.data[step.next_child++]);
    if (enter(child)) path.push_back({child, 0});
  }
}

}  // namespace ragtime::documents
