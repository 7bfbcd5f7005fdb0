#include "documents/html_tree.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "documents/allocation.h"
#include "documents/inline_text.h"

namespace ragtime::documents {

// Gumbo frees its tree recursively, which a deep page could use to overrun the stack: it gets memory that is freed as a
// whole instead.
class HtmlTree::Arena {
 public:
  void* allocate(std::size_t bytes) {
    bytes = (bytes + alignof(std::max_align_t) - 1) & ~(alignof(std::max_align_t) - 1);
    if (bytes > kBlockBytes / 4) return own_block(bytes);
    if (bytes > left_) {
      next_ = static_cast<std::byte*>(own_block(kBlockBytes));
      left_ = kBlockBytes;
    }
    left_ -= bytes;
    return std::exchange(next_, next_ + bytes);
  }

 private:
  static constexpr std::size_t kBlockBytes = 256u << 10;

  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  void* own_block(std::size_t bytes) {
    blocks_.emplace_back(allocate_or_stop(bytes));
    return blocks_.back().get();
  }

  std::vector<std::unique_ptr<void, Free>> blocks_;
  std::byte* next_ = nullptr;
  std::size_t left_ = 0;
};

namespace {

// Far beyond any real page; the parser's time grows with the square of the depth.
constexpr std::size_t kNestingMax = 4096;

// Counts tags only; unclosed void elements are the reason for the list.
bool is_nested_too_deeply(std::string_view html) {
  static constexpr std::string_view kUnclosed[] = {"br", "p",      "li",    "td",   "tr",     "th",
                                                   "hr", "img",    "input", "meta", "link",   "dt",
                                                   "dd", "option", "col",   "wbr",  "source", "!--"};
  std::size_t depth = 0;
  for (std::size_t at = html.find('<'); at != std::string_view::npos; at = html.find('<', at + 1)) {
    const std::string_view tag = html.substr(at + 1, 16);
    const std::string_view name = tag.substr(0, tag.find_first_of(" \t\r\n/>"));
    if (tag.starts_with('/')) {
      depth -= depth > 0 ? 1 : 0;
    } else if (!name.empty() && std::ranges::find(kUnclosed, name) == std::end(kUnclosed)) {
      if (++depth > kNestingMax) return true;
    }
  }
  return false;
}

// `needle` in lower case.
bool style_contains(std::string_view style, std::string_view needle) {
  std::string squeezed;
  for (const char c : style) {
    if (c != ' ' && c != '\t' && c != '\n') squeezed += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return squeezed.find(needle) != std::string::npos;
}

bool is_hidden(const GumboNode* node) {
  if (gumbo_get_attribute(&node->v.element.attributes, "hidden") != nullptr) return true;
  if (attribute(node, "aria-hidden") == "true") return true;
  const std::string_view style = attribute(node, "style");
  return !style.empty() && (style_contains(style, "display:none") || style_contains(style, "visibility:hidden"));
}

std::string text_within(const GumboNode* root) {
  InlineText text;
  walk(
      root,
      [&](const GumboNode* node) {
        if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE) text.add(node->v.text.text);
        return is_element(node);
      },
      [](const GumboNode*) {});
  return text.take();
}

const GumboNode* find_title(const GumboNode* root) {
  const GumboNode* title = nullptr;
  walk(
      root,
      [&](const GumboNode* node) {
        if (title == nullptr && tag_of(node) == GUMBO_TAG_TITLE) title = node;
        return title == nullptr && is_element(node) && tag_of(node) != GUMBO_TAG_SVG;
      },
      [](const GumboNode*) {});
  return title;
}

}  // namespace

HtmlTree::HtmlTree(std::unique_ptr<Arena> arena) : arena_(std::move(arena)) {}
HtmlTree::HtmlTree(HtmlTree&&) noexcept = default;
HtmlTree::~HtmlTree() = default;

Result<HtmlTree> HtmlTree::parse(std::string_view html) {
  if (is_nested_too_deeply(html)) {
    return make_error(ErrorCode::invalid_argument,
                      "damaged: elements nested deeper than " + std::to_string(kNestingMax) + " levels");
  }
  HtmlTree tree(std::make_unique<Arena>());
  GumboOptions options = kGumboDefaultOptions;
  options.allocator = [](void* user, std::size_t bytes) { return static_cast<Arena*>(user)->allocate(bytes); };
  options.deallocator = [](void*, void*) {};
  options.userdata = tree.arena_.get();
  options.max_errors = 0;
  tree.root_ = gumbo_parse_with_options(&options, html.data(), html.size())->root;
  return tree;
}

bool is_element(const GumboNode* node) {
  return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE;
}

GumboTag tag_of(const GumboNode* node) {
  return is_element(node) ? node->v.element.tag : GUMBO_TAG_UNKNOWN;
}

std::string_view attribute(const GumboNode* node, const char* name) {
  const GumboAttribute* found = gumbo_get_attribute(&node->v.element.attributes, name);
  return found == nullptr ? std::string_view() : std::string_view(found->value);
}

bool is_skipped(const GumboNode* node) {
  if (node->type == GUMBO_NODE_TEMPLATE) return true;
  if (!is_element(node)) return false;
  switch (tag_of(node)) {
    case GUMBO_TAG_HEAD:
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_NAV:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_EMBED:
    case GUMBO_TAG_SVG:
    case GUMBO_TAG_CANVAS:
    case GUMBO_TAG_AUDIO:
    case GUMBO_TAG_VIDEO:
    case GUMBO_TAG_BUTTON:
    case GUMBO_TAG_SELECT:
    case GUMBO_TAG_TEXTAREA:
    case GUMBO_TAG_INPUT:
    case GUMBO_TAG_RT:
    case GUMBO_TAG_RP:
      return true;
    default:
      return is_hidden(node);
  }
}

bool is_inline(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_A:
    case GUMBO_TAG_ABBR:
    case GUMBO_TAG_B:
    case GUMBO_TAG_BDI:
    case GUMBO_TAG_BDO:
    case GUMBO_TAG_BIG:
    case GUMBO_TAG_CITE:
    case GUMBO_TAG_CODE:
    case GUMBO_TAG_DATA:
    case GUMBO_TAG_DEL:
    case GUMBO_TAG_DFN:
    case GUMBO_TAG_EM:
    case GUMBO_TAG_FONT:
    case GUMBO_TAG_I:
    case GUMBO_TAG_IMG:
    case GUMBO_TAG_INS:
    case GUMBO_TAG_KBD:
    case GUMBO_TAG_LABEL:
    case GUMBO_TAG_MARK:
    case GUMBO_TAG_Q:
    case GUMBO_TAG_RUBY:
    case GUMBO_TAG_RB:
    case GUMBO_TAG_S:
    case GUMBO_TAG_SAMP:
    case GUMBO_TAG_SMALL:
    case GUMBO_TAG_SPAN:
    case GUMBO_TAG_STRIKE:
    case GUMBO_TAG_STRONG:
    case GUMBO_TAG_SUB:
    case GUMBO_TAG_SUP:
    case GUMBO_TAG_TIME:
    case GUMBO_TAG_TT:
    case GUMBO_TAG_U:
    case GUMBO_TAG_VAR:
    case GUMBO_TAG_WBR:
    case GUMBO_TAG_UNKNOWN:
      return true;
    default:
      return false;
  }
}

bool is_list(GumboTag tag) {
  return tag == GUMBO_TAG_UL || tag == GUMBO_TAG_OL || tag == GUMBO_TAG_DL;
}

int heading_level(GumboTag tag) {
  return tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6 ? static_cast<int>(tag - GUMBO_TAG_H1) + 1 : 0;
}

bool is_layout(const GumboNode* table) {
  bool layout = false;
  walk(
      table,
      [&](const GumboNode* node) {
        const GumboTag tag = tag_of(node);
        layout = layout || (node != table && tag == GUMBO_TAG_TABLE) || heading_level(tag) > 0 || is_list(tag) ||
                 tag == GUMBO_TAG_PRE;
        return !layout && is_element(node);
      },
      [](const GumboNode*) {});
  return layout;
}

std::string code_language(const GumboNode* node) {
  const std::string_view classes = attribute(node, "class");
  for (const std::string_view prefix : {"language-", "lang-", "highlight-source-"}) {
    const std::size_t at = classes.find(prefix);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = classes.substr(at + prefix.size());
    return std::string(rest.substr(0, rest.find(' ')));
  }
  return {};
}

std::string page_title(const GumboNode* root) {
  const GumboNode* title = find_title(root);
  return title == nullptr ? std::string() : text_within(title);
}

}  // namespace ragtime::documents
