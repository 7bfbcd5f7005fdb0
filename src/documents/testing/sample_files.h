// Files for tests: a temporary directory, and minimal but real PDF and DOCX files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ragtime::documents::testing {

// Removed with everything in it when destroyed.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // Writes a file and returns where it is.
  std::filesystem::path write(const std::string& name, std::string_view bytes) const;

 private:
  std::filesystem::path path_;
};

// Sanitizers end the process instead of letting an allocation fail.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kAllocationsMayFail = false;
#else
inline constexpr bool kAllocationsMayFail = true;
#endif

struct PdfOptions {
  std::string title;
  bool encrypted = false;  // With a user password that nobody knows.
};

// One page per element, one line of text per line. Signs outside ASCII go through a font with a Unicode map.
std::string make_pdf(const std::vector<std::string>& pages, const PdfOptions& options = {});

using ZipEntries = std::vector<std::pair<std::string, std::string>>;
void write_zip(const std::filesystem::path& path, const ZipEntries& entries);

void write_encrypted_zip(const std::filesystem::path& path, const std::string& name, const std::string& bytes);

// A Word file around the inside of <w:body>; `styles` is the inside of <w:styles>.
void write_docx(const std::filesystem::path& path, std::string_view body, std::string_view styles = {},
                std::string_view title = {});

// <w:p> with a style and a text.
std::string docx_paragraph(std::string_view text, std::string_view properties = {});

}  // namespace ragtime::documents::testing
