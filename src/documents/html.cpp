#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "documents/charset.h"
#include "documents/document_builder.h"
#include "documents/file_parser.h"
#include "documents/html_tree.h"
#include "documents/inline_text.h"

namespace ragtime::documents {
namespace {

// Turns the walk over a page into blocks.
class PageReader {
 public:
  explicit PageReader(DocumentBuilder& builder) : builder_(builder) {}

  bool enter(const GumboNode* node) {
    if (builder_.full()) return false;
    if (node->type != GUMBO_NODE_ELEMENT) return enter_other(node);
    if (is_skipped(node)) return false;
    const GumboTag tag = tag_of(node);
    if (table_ != nullptr) {
      enter_in_table(tag);
    } else if (is_list(tag) || lists_.size() > 0) {
      enter_in_list(tag);
    } else {
      enter_block(node, tag);
    }
    if (tag == GUMBO_TAG_PRE) ++pre_depth_;
    return true;
  }

  void leave(const GumboNode* node) {
    const GumboTag tag = tag_of(node);
    if (tag == GUMBO_TAG_PRE && pre_depth_ > 0) --pre_depth_;
    if (node == table_) {
      close_table();
    } else if (table_ != nullptr) {
      if (!is_inline(tag)) text_.add_space();
    } else if (is_list(tag) && !lists_.empty()) {
      lists_.pop_back();
      if (lists_.empty()) close_block();
    } else if (lists_.empty() && !is_inline(tag) && tag != GUMBO_TAG_BR) {
      close_block();
      if (node == quote_) quote_ = nullptr;
      block_ = new_block();
    }
  }

  void close_block() {
    builder_.add(block_, text_.take());
    block_ = new_block();
  }

 private:
  text::Block new_block() const {
    text::Block block;
    if (quote_ != nullptr) block.kind = text::BlockKind::quote;
    return block;
  }

  bool enter_other(const GumboNode* node) {
    const bool words =
        node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE || node->type == GUMBO_NODE_CDATA;
    if (words && pre_depth_ > 0 && table_ == nullptr) {
      text_.add_verbatim(node->v.text.text);
    } else if (words) {
      text_.add(node->v.text.text);
    }
    return false;
  }

  void enter_block(const GumboNode* node, GumboTag tag) {
    if (tag == GUMBO_TAG_BR) return pre_depth_ > 0 ? text_.add_verbatim("\n") : text_.start_line();
    if (tag == GUMBO_TAG_CODE && pre_depth_ > 0 && block_.language.empty()) block_.language = code_language(node);
    if (is_inline(tag)) return;
    close_block();
    if (tag == GUMBO_TAG_BLOCKQUOTE && quote_ == nullptr) quote_ = node;
    block_ = new_block();
    if (const int level = heading_level(tag)) {
      block_.kind = text::BlockKind::heading;
      block_.heading_level = level;
    } else if (tag == GUMBO_TAG_PRE) {
      block_.kind = text::BlockKind::code;
      block_.language = code_language(node);
    } else if (tag == GUMBO_TAG_TABLE && !is_layout(node)) {
      block_.kind = text::BlockKind::table;
      table_ = node;
    }
  }

  struct List {
    bool ordered = false;
    int number = 0;
  };

  void enter_in_list(GumboTag tag) {
    if (is_list(tag)) {
      if (lists_.empty()) {
        close_block();
        block_.kind = text::BlockKind::list;
      }
      lists_.push_back({tag == GUMBO_TAG_OL, 0});
    } else if (tag == GUMBO_TAG_LI) {
      List& list = lists_.back();
      const std::string sign = list.ordered ? std::to_string(++list.number) + ". " : "- ";
      text_.start_line(indentation() + sign);
      item_begun_ = text_.size();
    } else if (tag == GUMBO_TAG_DT) {
      text_.start_line(indentation());
    } else if (tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) {
      text_.add_space();
    } else if (!is_inline(tag) && text_.size() != item_begun_) {
      text_.start_line(indentation() + "  ");
    }
  }

  void enter_in_table(GumboTag tag) {
    if (tag == GUMBO_TAG_TR) {
      close_row();
    } else if (tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) {
      close_cell();
      cell_open_ = true;
    } else if (!is_inline(tag)) {
      text_.add_space();
    }
  }

  // Cells are collected in text_; finished rows wait in rows_ until the table ends.
  void close_cell() {
    std::string cell = text_.take();
    if (!cell_open_ && cell.empty()) return;
    row_.push_back(std::move(cell));
    cell_open_ = false;
  }

  void close_row() {
    close_cell();
    const bool empty = std::ranges::all_of(row_, [](const std::string& cell) { return cell.empty(); });
    for (std::size_t i = 0; !empty && i < row_.size(); ++i) rows_ += (i == 0 ? "" : " | ") + row_[i];
    if (!empty) rows_ += '\n';
    row_.clear();
  }

  void close_table() {
    close_row();
    if (!rows_.empty()) rows_.pop_back();
    builder_.add(block_, std::exchange(rows_, {}));
    table_ = nullptr;
    block_ = new_block();
  }

  std::string indentation() const { return std::string(2 * (lists_.empty() ? 0 : lists_.size() - 1), ' '); }

  DocumentBuilder& builder_;
  text::Block block_;
  InlineText text_;
  std::vector<List> lists_;
  std::size_t item_begun_ = 0;
  const GumboNode* table_ = nullptr;
  const GumboNode* quote_ = nullptr;
  std::vector<std::string> row_;
  std::string rows_;
  bool cell_open_ = false;
  int pre_depth_ = 0;
};

}  // namespace

Result<text::Document> parse_html(std::string_view bytes, const ParseOptions& options) {
  RAGTIME_TRY(const std::string html, decode_html(bytes));
  RAGTIME_TRY(const HtmlTree tree, HtmlTree::parse(html));
  DocumentBuilder builder(options.text_bytes_max);
  builder.document().media_type = "text/html";
  builder.document().title = page_title(tree.root());
  PageReader reader(builder);
  walk(
      tree.root(), [&](const GumboNode* node) { return reader.enter(node); },
      [&](const GumboNode* node) { reader.leave(node); });
  reader.close_block();
  RAGTIME_TRY(text::Document document, std::move(builder).finish());
  complete_title(document, options.filename);
  return document;
}

}  // namespace ragtime::documents
