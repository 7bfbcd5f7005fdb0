#include "server/file_walk.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <unistd.h>

#include "server/ignore_rules.h"

namespace ragtime::server {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIgnoreFiles[] = {".gitignore", ".ragtimeignore"};

IgnoreRules read_rules(const fs::path& directory) {
  IgnoreRules rules;
  for (const auto name : kIgnoreFiles) {
    std::ifstream in(directory / name, std::ios::binary);
    if (!in) continue;
    std::ostringstream text;
    text << in.rdbuf();
    rules.add(text.str());
  }
  return rules;
}

struct ScopedRules {
  fs::path directory;
  IgnoreRules rules;
};

std::string relative_name(const fs::path& path, const fs::path& base) {
  return path.lexically_relative(base).generic_string();
}

class Walker {
 public:
  Walker(const WalkOptions& options, WalkResult& out) : options_(options), out_(out) {}

  void walk_root(const fs::path& root) {
    scopes_.clear();
    root_ = root;
    add_parent_rules(root);
    excludes_ = {};
    for (const auto& pattern : options_.excludes) excludes_.add(pattern);
    walk(root);
  }

 private:
  // Git also honours the rules above the directory, up to the one that holds .git.
  void add_parent_rules(const fs::path& root) {
    std::vector<fs::path> parents;
    std::error_code ignored;
    if (fs::exists(root / ".git", ignored)) return;
    for (fs::path at = root; at.has_relative_path();) {
      at = at.parent_path();
      parents.push_back(at);
      if (!fs::exists(at / ".git", ignored)) continue;
      for (auto parent = parents.rbegin(); parent != parents.rend(); ++parent) push_rules(*parent);
      return;
    }
  }

  bool push_rules(const fs::path& directory) {
    IgnoreRules rules = read_rules(directory);
    if (rules.empty()) return false;
    scopes_.push_back({directory, std::move(rules)});
    return true;
  }

  void walk(const fs::path& directory) {
    std::error_code failure;
    fs::directory_iterator entries(directory, failure);
    if (failure) return skip(directory, SkipReason::unreadable, true);
    const bool pushed = push_rules(directory);
    for (const auto end = fs::directory_iterator(); entries != end; entries.increment(failure)) {
      visit(entries->path());
      if (failure) break;
    }
    if (pushed) scopes_.pop_back();
  }

  void visit(const fs::path& path) {
    std::error_code failure;
    const auto status = fs::status(path, failure);
    const bool is_directory = fs::is_directory(status);
    if (path.filename().native().starts_with('.')) return skip(path, SkipReason::hidden, is_directory);
    if (is_ignored(path, is_directory)) return skip(path, SkipReason::ignored, is_directory);
    if (is_directory) return fs::is_symlink(path, failure) ? skip(path, SkipReason::directory_link, true) : walk(path);
    if (failure || status.type() == fs::file_type::not_found) {
      return skip(path, SkipReason::unreadable, false);
    }
    if (!fs::is_regular_file(status)) return skip(path, SkipReason::special_file, false);
    if (options_.wanted && !options_.wanted(path.filename().native())) {
      return skip(path, SkipReason::unsupported_type, false);
    }
    if (::access(path.c_str(), R_OK) != 0) return skip(path, SkipReason::unreadable, false);
    const auto bytes = fs::file_size(path, failure);
    out_.files.push_back({path, failure ? 0 : bytes});
  }

  bool is_ignored(const fs::path& path, bool is_directory) const {
    if (excludes_.match(relative_name(path, root_), is_directory) == IgnoreVerdict::ignored) return true;
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto verdict = scope->rules.match(relative_name(path, scope->directory), is_directory);
      if (verdict != IgnoreVerdict::no_match) return verdict == IgnoreVerdict::ignored;
    }
    return false;
  }

  void skip(const fs::path& path, SkipReason reason, bool is_directory) {
    out_.skipped.push_back({path, reason, is_directory});
  }

  const WalkOptions& options_;
  WalkResult& out_;
  fs::path root_;
  IgnoreRules excludes_;
  std::vector<ScopedRules> scopes_;  // Outermost first.
};

fs::path absolute_path(const std::string& given) {
  fs::path path = fs::absolute(given).lexically_normal();
  return path.has_filename() || !path.has_relative_path() ? path : path.parent_path();
}

}  // namespace

std::string_view describe(SkipReason reason) {
  switch (reason) {
    case SkipReason::hidden:
      return "hidden";
    case SkipReason::ignored:
      return "ignored by rule";
    case SkipReason::unsupported_type:
      return "type not supported";
    case SkipReason::directory_link:
      return "link to a directory";
    case SkipReason::unreadable:
      return "not readable";
    case SkipReason::special_file:
      return "not a regular file";
  }
  return "";
}

Result<WalkResult> walk_files(const std::vector<std::string>& paths, const WalkOptions& options) {
  WalkResult out;
  Walker walker(options, out);
  for (const auto& given : paths) {
    const fs::path path = absolute_path(given);
    std::error_code failure;
    const auto status = fs::status(path, failure);
    if (!fs::exists(status)) {
      return make_error(ErrorCode::not_found, fmt::format("{}: no such file or directory", given));
    }
    if (fs::is_directory(status)) {
      out.directories.push_back(path);
      walker.walk_root(path);
    } else {
      const auto bytes = fs::file_size(path, failure);
      out.files.push_back({path, failure ? 0 : bytes});
    }
  }
  const auto by_path = [](const auto& a, const auto& b) { return a.path < b.path; };
  const auto same_path = [](const auto& a, const auto& b) { return a.path == b.path; };
  std::sort(out.files.begin(), out.files.end(), by_path);
  out.files.erase(std::unique(out.files.begin(), out.files.end(), same_path), out.files.end());
  std::sort(out.skipped.begin(), out.skipped.end(), by_path);
  return out;
}

}  // namespace ragtime::server
