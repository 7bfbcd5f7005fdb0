// Parser: files to Documents. TXT, Markdown, HTML, PDF, DOCX and source code.
//
// Formats with complicated decoders (PDF, DOCX, HTML, Markdown) are parsed in a child process with its own limits on
// memory, CPU time and system calls, so that a hostile or damaged file costs at most its worker.
// Thread safety: every member may be called from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "async/task.h"
#include "async/thread_pool.h"
#include "base/request_context.h"
#include "base/result.h"
#include "text/document.h"

namespace ragtime::documents {

struct ParserConfig {
  std::size_t file_bytes_max = 512u << 20;
  std::size_t text_bytes_max = 64u << 20;      // Of extracted text.
  std::size_t worker_memory_bytes = 1u << 30;  // Address space of a worker beyond what it starts with.
  std::chrono::seconds worker_time{120};       // Wall clock per document.
  std::size_t workers_max = 2;                 // Children alive at once.
  // The program that runs `parse-worker`; empty: this executable itself (/proc/self/exe).
  std::filesystem::path worker_program;
};

class Parser {
 public:
  virtual ~Parser() = default;

  // `pool` runs the waiting and the in-process formats; it outlives the parser.
  static std::unique_ptr<Parser> create(ParserConfig config, async::ThreadPool& pool);

  // `path` holds the bytes, `filename` is the name the user knows and helps to tell the type.
  // Errors, all with a message that a user can act on and that does not repeat the file name:
  //   invalid_argument  empty, encrypted, damaged, or without any text (scanned)
  //   unsupported       binary or a type that no parser takes
  //   too_large         over a limit of the configuration
  //   deadline_exceeded, cancelled, unavailable (pdftotext is missing), internal (the worker crashed)
  virtual Task<Result<text::Document>> parse(std::filesystem::path path, std::string filename,
                                             RequestContext& context) = 0;
};

// The body of the hidden command `ragtime parse-worker`: serves parse requests on stdin/stdout until EOF, after it
// has locked itself down. Returns the process exit code.
int run_parse_worker();

// Whether a name's extension is one that `parse` takes; used to choose files of a directory.
bool is_supported_filename(std::string_view filename);

}  // namespace ragtime::documents
