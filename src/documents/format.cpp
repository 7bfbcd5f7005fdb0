#include "documents/format.h"

#include <algorithm>
#include <array>
#include <string>

#include "text/encoding.h"

namespace ragtime::documents {
namespace {

using namespace std::string_view_literals;

struct Extension {
  std::string_view name;
  NameHint hint;
};

constexpr Extension code(std::string_view name, std::string_view language, std::string_view media_type) {
  return {name, {Format::code, language, media_type, true}};
}

constexpr Extension other(std::string_view name, Format format, std::string_view media_type) {
  return {name, {format, {}, media_type, true}};
}

constexpr auto kExtensions = std::to_array<Extension>({
    other("txt", Format::plain_text, "text/plain"),
    other("text", Format::plain_text, "text/plain"),
    other("log", Format::plain_text, "text/plain"),
    other("rst", Format::plain_text, "text/x-rst"),
    other("adoc", Format::plain_text, "text/asciidoc"),
    other("org", Format::plain_text, "text/org"),
    other("tex", Format::plain_text, "text/x-tex"),
    other("srt", Format::plain_text, "application/x-subrip"),
    other("csv", Format::delimited, "text/csv"),
    other("tsv", Format::delimited, "text/tab-separated-values"),
    other("md", Format::markdown, "text/markdown"),
    other("markdown", Format::markdown, "text/markdown"),
    other("mdx", Format::markdown, "text/markdown"),
    other("html", Format::html, "text/html"),
    other("htm", Format::html, "text/html"),
    other("xhtml", Format::html, "application/xhtml+xml"),
    other("pdf", Format::pdf, "application/pdf"),
    other("docx", Format::zip, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    code("c", "c", "text/x-c"),
    code("h", "cpp", "text/x-c++"),
    code("cc", "cpp", "text/x-c++"),
    code("cpp", "cpp", "text/x-c++"),
    code("cxx", "cpp", "text/x-c++"),
    code("hh", "cpp", "text/x-c++"),
    code("hpp", "cpp", "text/x-c++"),
    code("cu", "cuda", "text/x-cuda"),
    code("cs", "csharp", "text/x-csharp"),
    code("java", "java", "text/x-java"),
    code("kt", "kotlin", "text/x-kotlin"),
    code("scala", "scala", "text/x-scala"),
    code("swift", "swift", "text/x-swift"),
    code("m", "objectivec", "text/x-objectivec"),
    code("go", "go", "text/x-golang"),
    code("rs", "rust", "text/x-rust"),
    code("zig", "zig", "text/x-zig"),
    code("py", "python", "text/x-python"),
    code("pyi", "python", "text/x-python"),
    code("rb", "ruby", "text/x-ruby"),
    code("php", "php", "text/x-php"),
    code("pl", "perl", "text/x-perl"),
    code("lua", "lua", "text/x-lua"),
    code("r", "r", "text/x-r"),
    code("jl", "julia", "text/x-julia"),
    code("hs", "haskell", "text/x-haskell"),
    code("ml", "ocaml", "text/x-ocaml"),
    code("ex", "elixir", "text/x-elixir"),
    code("erl", "erlang", "text/x-erlang"),
    code("clj", "clojure", "text/x-clojure"),
    code("dart", "dart", "text/x-dart"),
    code("js", "javascript", "text/javascript"),
    code("mjs", "javascript", "text/javascript"),
    code("cjs", "javascript", "text/javascript"),
    code("jsx", "javascript", "text/javascript"),
    code("ts", "typescript", "text/x-typescript"),
    code("tsx", "typescript", "text/x-typescript"),
    code("vue", "vue", "text/x-vue"),
    code("svelte", "svelte", "text/x-svelte"),
    code("css", "css", "text/css"),
    code("scss", "scss", "text/x-scss"),
    code("sql", "sql", "text/x-sql"),
    code("sh", "bash", "text/x-shellscript"),
    code("bash", "bash", "text/x-shellscript"),
    code("zsh", "bash", "text/x-shellscript"),
    code("ps1", "powershell", "text/x-powershell"),
    code("bat", "batch", "text/x-batch"),
    code("cmake", "cmake", "text/x-cmake"),
    code("mk", "make", "text/x-makefile"),
    code("proto", "protobuf", "text/x-protobuf"),
    code("graphql", "graphql", "text/x-graphql"),
    code("json", "json", "application/json"),
    code("jsonl", "json", "application/jsonl"),
    code("yaml", "yaml", "text/x-yaml"),
    code("yml", "yaml", "text/x-yaml"),
    code("toml", "toml", "text/x-toml"),
    code("ini", "ini", "text/x-ini"),
    code("conf", "ini", "text/x-ini"),
    code("xml", "xml", "application/xml"),
});

// Whole names without a telling extension.
constexpr auto kNames = std::to_array<Extension>({
    other("readme", Format::plain_text, "text/plain"),
    other("license", Format::plain_text, "text/plain"),
    other("copying", Format::plain_text, "text/plain"),
    other("notice", Format::plain_text, "text/plain"),
    other("authors", Format::plain_text, "text/plain"),
    other("changelog", Format::plain_text, "text/plain"),
    code("makefile", "make", "text/x-makefile"),
    code("dockerfile", "docker", "text/x-dockerfile"),
    code("cmakelists.txt", "cmake", "text/x-cmake"),
});

struct Magic {
  std::string_view bytes;
  std::string_view what;
};

// Kinds that people do try, so that the refusal can name them.
constexpr auto kRefused = std::to_array<Magic>({
    {"\x89PNG"sv, "a PNG image"},
    {"\xFF\xD8\xFF"sv, "a JPEG image"},
    {"GIF8"sv, "a GIF image"},
    {"RIFF"sv, "a media file"},
    {"\x1F\x8B"sv, "a gzip archive"},
    {"BZh"sv, "a bzip2 archive"},
    {"\xFD"
     "7zXZ"sv,
     "an xz archive"},
    {"7z\xBC\xAF"sv, "a 7z archive"},
    {"Rar!"sv, "a RAR archive"},
    {"\x7F"
     "ELF"sv,
     "a program"},
    {"SQLite format 3"sv, "an SQLite database"},
    {"%!PS"sv, "a PostScript file; convert it to PDF"},
    {"{\\rtf"sv, "an RTF file; save it as .docx"},
});

std::string lower_ascii(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return result;
}

// The text after a byte order mark, white space, comments and an XML declaration, where HTML may begin.
std::string_view skip_html_preamble(std::string_view head) {
  if (head.starts_with("\xEF\xBB\xBF")) head.remove_prefix(3);
  while (true) {
    head.remove_prefix(std::min(head.find_first_not_of(" \t\r\n\f"), head.size()));
    const std::string_view end = head.starts_with("<!--") ? "-->"sv : head.starts_with("<?xml") ? "?>"sv : ""sv;
    const std::size_t found = end.empty() ? std::string_view::npos : head.find(end);
    if (found == std::string_view::npos) return head;
    head.remove_prefix(found + end.size());
  }
}

bool looks_like_html(std::string_view head) {
  const std::string start = lower_ascii(skip_html_preamble(head).substr(0, 16));
  if (!start.starts_with("<html") && !start.starts_with("<!doctype html")) return false;
  const char after = start.starts_with("<html") ? start.size() > 5 ? start[5] : '>' : '>';
  return after == '>' || after == ' ' || after == '\n' || after == '\r' || after == '\t';
}

bool has_utf16_mark(std::string_view head) {
  return head.starts_with("\xFF\xFE") || head.starts_with("\xFE\xFF");
}

}  // namespace

NameHint hint_from_name(std::string_view filename) {
  const std::string name = lower_ascii(filename.substr(filename.find_last_of('/') + 1));
  const auto whole = std::ranges::find(kNames, name, &Extension::name);
  if (whole != kNames.end()) return whole->hint;
  const std::size_t dot = name.find_last_of('.');
  if (dot == std::string::npos) return {};
  const auto found = std::ranges::find(kExtensions, std::string_view(name).substr(dot + 1), &Extension::name);
  return found == kExtensions.end() ? NameHint{} : found->hint;
}

Result<Format> detect_format(std::string_view head, std::string_view filename) {
  if (head.empty()) return make_error(ErrorCode::invalid_argument, "the file is empty");
  const NameHint hint = hint_from_name(filename);
  // Some producers write a few bytes before the header; readers look for it in the first KiB.
  const std::size_t pdf_header = head.substr(0, 1024).find("%PDF-");
  if (pdf_header == 0 || (hint.format == Format::pdf && pdf_header != std::string_view::npos)) return Format::pdf;
  if (head.starts_with("PK\x03\x04")) return Format::zip;
  if (head.starts_with("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")) return Format::ole;
  if (looks_like_html(head) && hint.format != Format::code) return Format::html;
  for (const Magic& magic : kRefused) {
    if (head.starts_with(magic.bytes)) {
      return make_error(ErrorCode::unsupported, "not a text document but " + std::string(magic.what));
    }
  }
  if (!has_utf16_mark(head) && text::looks_binary(head)) {
    return make_error(ErrorCode::unsupported, "a binary file of a kind that has no parser");
  }
  if (hint.format == Format::pdf) return make_error(ErrorCode::invalid_argument, "damaged: not a PDF file inside");
  if (hint.format == Format::zip) return make_error(ErrorCode::invalid_argument, "damaged: not a Word document inside");
  return hint.format;
}

}  // namespace ragtime::documents
