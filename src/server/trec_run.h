// What each arm found, in the format that trec_eval and the programs like it read.
//
// FOLDER/SET.ARM.run, one line per question and document: "q1 Q0 d7 1 100 ragtime-hybrid", with the rank and a score
// that is only the rank turned round, so that programs that sort by score keep the order.
// Thread safety: main thread only.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "server/evaluation.h"

namespace ragtime::server {

// Makes the folder when it is missing. Errors: unavailable.
Result<void> write_runs(const std::filesystem::path& folder, const EvaluationSet& set, const SetResult& result);

}  // namespace ragtime::server
