#include "load/script_table.h"

#include <array>

namespace ragtime::load {
namespace {

constexpr std::size_t kLists = 4;

std::array<std::span<const ScriptEntry>, kLists> lists() {
  return {answer_scripts(), status_scripts(), stream_scripts(), connection_scripts()};
}

const ScriptEntry* find(std::string_view name) {
  for (const auto& list : lists()) {
    for (const auto& entry : list) {
      if (entry.info.name == name) return &entry;
    }
  }
  return nullptr;
}

}  // namespace

void plain_stream(ReplyBuilder& b) {
  b.open_stream(b.request.tokens);
  b.close_stream();
}

void plain_whole(ReplyBuilder& b) {
  b.whole_answer();
}

std::vector<ScriptInfo> all_scripts() {
  std::vector<ScriptInfo> out;
  for (const auto& list : lists()) {
    for (const auto& entry : list) out.push_back(entry.info);
  }
  return out;
}

bool is_script(std::string_view name) {
  return find(name) != nullptr;
}

Reply make_reply(const ScriptSpec& spec, const ScriptRequest& request) {
  ReplyBuilder builder(spec, request);
  const ScriptEntry* entry = find(spec.name);
  if (entry == nullptr) {
    (request.stream ? plain_stream : plain_whole)(builder);
  } else {
    (request.stream ? entry->stream : entry->whole)(builder);
  }
  Reply reply = builder.take();
  reply.faulty = entry != nullptr && spec.name != "plain" && spec.name != "echo";
  return reply;
}

}  // namespace ragtime::load
