// Ignore rules in the grammar of .gitignore: which files of a directory tree `ragtime ingest` passes over.
//
// Lines are patterns with *, ?, [...], ** and escapes; a leading or inner "/" anchors to the rules' directory, a
// trailing "/" means directories only, "!" takes back an earlier match, "#" begins a comment. The last match decides.
// Thread safety: const members may be called from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ragtime::server {

enum class IgnoreVerdict { no_match, ignored, included };

class IgnoreRules {
 public:
  // `text` is a whole file; further text adds rules that win over the earlier ones.
  void add(std::string_view text);
  bool empty() const { return rules_.empty(); }

  // `path` is relative to the directory of the rules, with "/" between its parts and none at either end.
  IgnoreVerdict match(std::string_view path, bool is_directory) const;

 private:
  struct Rule {
    std::string pattern;
    bool negated = false;
    bool directories_only = false;
    bool anchored = false;
  };
  void add_line(std::string_view line);

  std::vector<Rule> rules_;
};

// Whether the glob matches the whole of `text`. "*" and "?" stop at "/", "**" does not.
bool glob_match(std::string_view glob, std::string_view text);

}  // namespace ragtime::server
