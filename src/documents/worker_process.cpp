#include "documents/worker_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ragtime::documents {
namespace {

constexpr std::chrono::seconds kGreetingTime{10};
constexpr std::size_t kGreetingBytesMax = 1024;
// Fragmented memory and whatever a hostile file left behind go with the process.
constexpr int kDocumentsPerWorker = 256;

std::vector<std::string> worker_environment() {
  std::vector<std::string> variables{"LC_ALL=C.UTF-8"};
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (std::string_view(*entry).starts_with("PATH=")) variables.emplace_back(*entry);
  }
  return variables;
}

struct SpawnOptions {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;

  explicit SpawnOptions(int socket) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, socket, 0);
    posix_spawn_file_actions_adddup2(&actions, socket, 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    // Sockets of the server may lack O_CLOEXEC: a worker that held one would keep a closed connection open.
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnOptions() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;
};

Result<pid_t> spawn(const std::filesystem::path& program, int socket) {
  const std::string path = program.empty() ? "/proc/self/exe" : program.string();
  std::string name = "ragtime";
  std::string command = "parse-worker";
  char* const arguments[] = {name.data(), command.data(), nullptr};
  std::vector<std::string> variables = worker_environment();
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  const SpawnOptions options(socket);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, path.c_str(), &options.actions, &options.attributes, arguments, environment.data());
  if (error != 0) {
    return make_error(ErrorCode::unavailable,
                      "the parse worker does not start: " + std::generic_category().message(error));
  }
  return pid;
}

std::string count_of(std::uint64_t value, std::string_view unit) {
  return std::to_string(value) + " " + std::string(unit);
}

}  // namespace

CancelSignal::CancelSignal(const RequestContext& context)
    : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      on_cancel_(context.stop_token(), [this] { ::eventfd_write(fd_.get(), 1); }) {}

struct WorkerProcess::Wait {
  Wait(const RequestContext& of, std::chrono::seconds longest)
      : context(of), deadline(of.deadline().sooner(longest)), signal(of) {}
  const RequestContext& context;
  Deadline deadline;
  CancelSignal signal;
};

WorkerProcess::WorkerProcess(const ParserConfig& config, UniqueFd socket, pid_t pid)
    : memory_bytes_(config.worker_memory_bytes), time_(config.worker_time), socket_(std::move(socket)), pid_(pid) {}

WorkerProcess::~WorkerProcess() {
  stop();
}

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::start(const ParserConfig& config, const RequestContext& context) {
  int ends[2];
  // A socket pair rather than two pipes: writing to a dead child must not raise SIGPIPE.
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return make_error(ErrorCode::unavailable, "no file descriptors are left for a parse worker; retry");
  }
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  RAGTIME_TRY(const pid_t pid, spawn(config.worker_program, theirs.get()));
  theirs.reset();
  std::unique_ptr<WorkerProcess> worker(new WorkerProcess(config, std::move(ours), pid));
  RAGTIME_TRY_DONE(worker->greet(context));
  return worker;
}

Result<void> WorkerProcess::greet(const RequestContext& context) {
  const Wait wait(context, kGreetingTime);
  WorkerLimits limits;
  limits.memory_bytes = memory_bytes_;
  limits.cpu_seconds = static_cast<std::uint32_t>(std::min<std::int64_t>(time_.count(), INT_MAX));
  RAGTIME_TRY(const std::string greeting, exchange(encode(limits), kGreetingBytesMax, wait));
  if (greeting == kWorkerGreeting) return {};
  stop();
  if (greeting.starts_with("the parse worker cannot")) return make_error(ErrorCode::unavailable, greeting);
  return make_error(ErrorCode::internal, "the worker program does not answer like a parse worker");
}

Result<text::Document> WorkerProcess::parse(const ParseRequest& request, const RequestContext& context) {
  const std::string body = encode(request);
  if (body.size() > kRequestBytesMax) return make_error(ErrorCode::invalid_argument, "the file's name is too long");
  const Wait wait(context, time_);
  ++documents_;
  RAGTIME_TRY(const std::string reply, exchange(body, reply_bytes_max(request.text_bytes_max), wait));
  auto document = decode_reply(reply);
  if (document.has_error() && document.error().code == ErrorCode::internal) in_step_ = false;
  return document;
}

bool WorkerProcess::usable() const {
  if (pid_ == 0 || !in_step_ || documents_ >= kDocumentsPerWorker) return false;
  pollfd polled{socket_.get(), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 0;  // Between documents a healthy child is silent.
}

Result<std::string> WorkerProcess::exchange(std::string_view request, std::size_t reply_bytes_max, const Wait& wait) {
  Io io = send(frame(request), wait);
  char header[kFrameHeaderBytes];
  if (io == Io::done) io = receive(header, sizeof header, wait);
  if (io != Io::done) return give_up(io, wait);
  const std::size_t bytes = body_bytes({header, sizeof header});
  if (bytes > reply_bytes_max) {
    stop();
    return make_error(ErrorCode::internal, "the worker program does not answer like a parse worker");
  }
  std::string reply(bytes, '\0');
  io = receive(reply.data(), reply.size(), wait);
  if (io != Io::done) return give_up(io, wait);
  return reply;
}

WorkerProcess::Io WorkerProcess::send(std::string_view bytes, const Wait& wait) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(put));
    } else if (errno == EAGAIN) {
      if (const Io io = wait_for(POLLOUT, wait); io != Io::done) return io;
    } else if (errno != EINTR) {
      return Io::closed;
    }
  }
  return Io::done;
}

WorkerProcess::Io WorkerProcess::receive(char* bytes, std::size_t count, const Wait& wait) {
  while (count > 0) {
    const ssize_t got = ::recv(socket_.get(), bytes, count, MSG_DONTWAIT);
    if (got > 0) {
      bytes += got;
      count -= static_cast<std::size_t>(got);
    } else if (got < 0 && errno == EAGAIN) {
      if (const Io io = wait_for(POLLIN, wait); io != Io::done) return io;
    } else if (got == 0 || errno != EINTR) {
      return Io::closed;
    }
  }
  return Io::done;
}

WorkerProcess::Io WorkerProcess::wait_for(short events, const Wait& wait) const {
  while (true) {
    if (wait.context.cancelled()) return Io::cancelled;
    const auto left = wait.deadline.remaining().count();
    if (left <= 0) return Io::late;
    std::array<pollfd, 2> polled{pollfd{socket_.get(), events, 0}, pollfd{wait.signal.fd(), POLLIN, 0}};
    // One more, because the remaining time was rounded down.
    const int timeout = static_cast<int>(std::min<std::int64_t>(left + 1, INT_MAX));
    if (::poll(polled.data(), polled.size(), timeout) > 0 && polled[0].revents != 0) return Io::done;
  }
}

Error WorkerProcess::give_up(Io reason, const Wait& wait) {
  const int status = stop();
  if (reason == Io::cancelled || wait.context.deadline().expired()) {
    if (const auto context = wait.context.check(); context.has_error()) return context.error();
  }
  const bool out_of_time = WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU;
  if (reason == Io::late || out_of_time) {
    return make_error(ErrorCode::deadline_exceeded,
                      "parsing took longer than " + count_of(static_cast<std::uint64_t>(time_.count()), "s"));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kExitOutOfMemory) {
    return make_error(ErrorCode::too_large,
                      "parsing needs more memory than the limit of " + count_of(memory_bytes_ >> 20, "MiB"));
  }
  const std::string how = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                                              : "exit code " + std::to_string(WEXITSTATUS(status));
  return make_error(ErrorCode::internal, "the parser crashed on this file (" + how + ")");
}

// The child's wait status; zero when it had been stopped before.
int WorkerProcess::stop() {
  socket_.reset();
  if (pid_ == 0) return 0;
  // A child that is ending already keeps its own status.
  ::kill(-pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return status;
}

}  // namespace ragtime::documents
