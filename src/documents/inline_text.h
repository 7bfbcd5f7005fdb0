// InlineText: collects the words of one block the way a browser would show them.
//
// Thread safety: an object belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ragtime::documents {

// Whether words in this script are written without spaces between them (Han, kana, and their punctuation), so that a
// line break in the source is no space in the text.
bool is_written_without_spaces(char32_t code_point);

class InlineText {
 public:
  // Runs of white space become one space; a line break between two CJK signs becomes nothing. Control characters, soft
  // hyphens and zero-width spaces vanish.
  void add(std::string_view utf8);
  // Keeps white space; control characters vanish.
  void add_verbatim(std::string_view utf8);
  // The next words start a new line, with `prefix` before them. Without next words nothing happens.
  void start_line(std::string_view prefix = {});
  // The next words are apart from the last ones.
  void add_space() { space_ = true; }

  bool empty() const { return text_.empty(); }
  std::size_t size() const { return text_.size(); }
  // The text without white space at its ends; the object is empty again.
  std::string take();

 private:
  void put(char32_t code_point, std::string_view bytes);
  void begin_word(char32_t code_point);

  std::string text_;
  std::string prefix_;
  char32_t last_ = 0;
  bool line_ = false;        // A new line is due.
  bool space_ = false;       // A space is due.
  bool line_break_ = false;  // The white space that is due held a line break.
};

}  // namespace ragtime::documents
