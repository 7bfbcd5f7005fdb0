#include "documents/child_program.h"

#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "documents/unique_fd.h"

namespace ragtime::documents {
namespace {

constexpr std::size_t kErrorBytesMax = 16u << 10;
constexpr std::size_t kReadBytes = 64u << 10;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return make_error(ErrorCode::unavailable, "no file descriptors are left; retry");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<pid_t> spawn(const std::vector<std::string>& arguments, int out, int err) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT || error == EACCES) {
    return make_error(ErrorCode::unavailable, "the program " + arguments[0] + " is not installed");
  }
  if (error != 0) {
    return make_error(ErrorCode::unavailable,
                      arguments[0] + " does not start: " + std::generic_category().message(error));
  }
  return pid;
}

// False at the end of the stream.
bool read_some(int fd, std::string& bytes) {
  std::array<char, kReadBytes> buffer;
  const ssize_t count = ::read(fd, buffer.data(), buffer.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  bytes.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

// False when it printed too much.
bool collect(Pipe& out, Pipe& err, ProgramOutput& output, std::size_t output_bytes_max) {
  while (out.read || err.read) {
    std::array<pollfd, 2> polled{pollfd{out.read.get(), POLLIN, 0}, pollfd{err.read.get(), POLLIN, 0}};
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[0].revents != 0 && !read_some(out.read.get(), output.out)) out.read.reset();
    if (polled[1].revents != 0 && !read_some(err.read.get(), output.err)) err.read.reset();
    if (output.out.size() > output_bytes_max) return false;
    if (output.err.size() > kErrorBytesMax) output.err.resize(kErrorBytesMax);
  }
  return true;
}

}  // namespace

Result<ProgramOutput> run_program(std::vector<std::string> arguments, std::size_t output_bytes_max) {
  RAGTIME_TRY(Pipe out, make_pipe());
  RAGTIME_TRY(Pipe err, make_pipe());
  RAGTIME_TRY(const pid_t pid, spawn(arguments, out.write.get(), err.write.get()));
  out.write.reset();
  err.write.reset();
  ProgramOutput output;
  const bool complete = collect(out, err, output, output_bytes_max);
  if (!complete) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!complete) return make_error(ErrorCode::too_large, arguments[0] + " printed too much");
  output.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return output;
}

}  // namespace ragtime::documents
