#include "engine/document_columns.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <variant>

namespace ragtime::engine {
namespace {

constexpr std::size_t kChangedShare = 16;  // Room for one document in so many that changed since.

struct Record {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::uint32_t file_id = 0;  // Sizes in the text.
  std::uint32_t filename = 0;
  std::uint32_t attributes = 0;
  std::uint32_t embedded = 0;
};
static_assert(sizeof(Record) == 32);

Error corrupt(std::string_view what) {
  return make_error(ErrorCode::corrupt, "documents: " + std::string(what));
}

template <class T>
void append_value(std::vector<char>& text, const T& value) {
  const auto* bytes = reinterpret_cast<const char*>(&value);
  text.insert(text.end(), bytes, bytes + sizeof(T));
}

void append_text(std::vector<char>& text, std::string_view value) {
  append_value(text, static_cast<std::uint32_t>(value.size()));
  text.insert(text.end(), value.begin(), value.end());
}

// For each: key, number of the type, value.
void append_attributes(std::vector<char>& text, const Attributes& attributes) {
  for (const auto& [key, value] : attributes) {
    append_text(text, key);
    append_value(text, static_cast<std::uint8_t>(value.index()));
    if (const auto* string = std::get_if<std::string>(&value)) append_text(text, *string);
    if (const auto* number = std::get_if<double>(&value)) append_value(text, *number);
    if (const auto* flag = std::get_if<bool>(&value)) append_value(text, static_cast<std::uint8_t>(*flag));
  }
}

// Takes values off the front; false when they are not there.
class Reader {
 public:
  explicit Reader(std::span<const char> text) : text_(text) {}

  bool empty() const { return text_.empty(); }
  bool take(std::size_t size, std::string_view& value) {
    if (size > text_.size()) return false;
    value = {text_.data(), size};
    text_ = text_.subspan(size);
    return true;
  }
  template <class T>
  bool take_value(T& value) {
    std::string_view bytes;
    if (!take(sizeof(T), bytes)) return false;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return true;
  }
  bool take_text(std::string_view& value) {
    std::uint32_t size = 0;
    return take_value(size) && take(size, value);
  }

 private:
  std::span<const char> text_;
};

bool take_attribute(Reader& reader, AttributeValue& value) {
  std::uint8_t type = 0;
  std::string_view string;
  double number = 0;
  std::uint8_t flag = 0;
  if (!reader.take_value(type)) return false;
  switch (type) {
    case 0:
      if (!reader.take_text(string)) return false;
      value = std::string(string);
      return true;
    case 1:
      if (!reader.take_value(number)) return false;
      value = number;
      return true;
    case 2:
      if (!reader.take_value(flag)) return false;
      value = flag != 0;
      return true;
    default:
      return false;
  }
}

bool take_attributes(Reader reader, Attributes& attributes) {
  while (!reader.empty()) {
    std::string_view key;
    AttributeValue value;
    if (!reader.take_text(key) || !take_attribute(reader, value)) return false;
    attributes.emplace_hint(attributes.end(), std::string(key), std::move(value));
  }
  return true;
}

bool take_document(Reader& text, const Record& record, storage::DocumentChunks& document) {
  std::string_view file_id, filename, attributes;
  if (!text.take(record.file_id, file_id) || !text.take(record.filename, filename) ||
      !text.take(record.attributes, attributes)) {
    return false;
  }
  document.file_id = file_id;
  document.filename = filename;
  document.chunks = {record.first, record.last};
  document.embedded = record.embedded != 0;
  return take_attributes(Reader(attributes), document.attributes);
}

// Ids ascend over all documents, so that none overlap.
bool ranges_ascend(std::span<const Record> records) {
  std::int64_t before = 0;
  for (const Record& record : records) {
    if (record.first <= before || record.last < record.first) return false;
    before = record.last;
  }
  return true;
}

}  // namespace

void save_documents(index::SnapshotWriter& writer, const DocumentTable& documents, std::int64_t change) {
  std::vector<const DocumentEntry*> entries;
  entries.reserve(documents.documents());
  documents.for_each([&](const DocumentEntry& entry) { entries.push_back(&entry); });
  std::sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return a->chunks.first < b->chunks.first; });
  std::vector<Record> records;
  std::vector<char> text;
  for (const DocumentEntry* entry : entries) {
    text.insert(text.end(), entry->info.file_id.begin(), entry->info.file_id.end());
    text.insert(text.end(), entry->info.filename.begin(), entry->info.filename.end());
    const std::size_t begin = text.size();
    append_attributes(text, entry->info.attributes);
    records.push_back({.first = entry->chunks.first,
                       .last = entry->chunks.last,
                       .file_id = static_cast<std::uint32_t>(entry->info.file_id.size()),
                       .filename = static_cast<std::uint32_t>(entry->info.filename.size()),
                       .attributes = static_cast<std::uint32_t>(text.size() - begin),
                       .embedded = entry->embedded ? 1u : 0u});
  }
  writer.column("change", std::span<const std::int64_t>(&change, 1));
  writer.column("documents", std::span<const Record>(records));
  writer.column("text", std::span<const char>(text));
}

Result<SavedDocuments> load_documents(const index::SnapshotReader& reader) {
  RAGTIME_TRY(const auto change, reader.column<std::int64_t>("change"));
  RAGTIME_TRY(const auto records, reader.column<Record>("documents"));
  RAGTIME_TRY(const auto text, reader.column<char>("text"));
  if (change.size() != 1) return corrupt("no number of a change");
  if (!ranges_ascend(records)) return corrupt("chunks out of order");
  SavedDocuments saved;
  saved.change = change[0];
  saved.documents.reserve(records.size() + records.size() / kChangedShare);
  saved.documents.resize(records.size());
  Reader rest(text);
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (!take_document(rest, records[i], saved.documents[i])) return corrupt("text that is too short");
  }
  if (!rest.empty()) return corrupt("text of no document");
  return saved;
}

std::vector<storage::DocumentChunks> brought_up_to_date(SavedDocuments saved, storage::DocumentChanges changes) {
  auto& documents = saved.documents;
  if (changes.present.empty() && changes.absent.empty()) return std::move(documents);
  std::unordered_set<std::string_view> changed(changes.absent.begin(), changes.absent.end());
  for (const auto& document : changes.present) changed.insert(document.file_id);
  std::erase_if(documents, [&](const auto& document) { return changed.contains(document.file_id); });
  documents.insert(documents.end(), std::move_iterator(changes.present.begin()),
                   std::move_iterator(changes.present.end()));
  const auto earlier = [](const auto& a, const auto& b) { return a.chunks.first < b.chunks.first; };
  if (!std::is_sorted(documents.begin(), documents.end(), earlier)) std::sort(documents.begin(), documents.end(), earlier);
  return std::move(documents);
}

}  // namespace ragtime::engine
