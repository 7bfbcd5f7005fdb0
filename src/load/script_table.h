// The scripts by subject: each list names what it offers and how a reply of it is built.
//
// Thread safety: pure functions.
#pragma once

#include <span>

#include "load/reply_builder.h"
#include "load/script.h"

namespace ragtime::load {

struct ScriptEntry {
  ScriptInfo info;
  void (*stream)(ReplyBuilder&);
  void (*whole)(ReplyBuilder&);  // For requests without "stream": true.
};

std::span<const ScriptEntry> connection_scripts();  // TCP and HTTP framing.
std::span<const ScriptEntry> status_scripts();      // Errors that a status reports.
std::span<const ScriptEntry> stream_scripts();      // What goes wrong in a stream that began well.
std::span<const ScriptEntry> answer_scripts();      // Proper answers of uncommon shape.

void plain_stream(ReplyBuilder& b);
void plain_whole(ReplyBuilder& b);

}  // namespace ragtime::load
