#include "documents/jail.h"

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <new>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "documents/child_program.h"
#include "documents/testing/sample_files.h"

namespace ragtime::documents {
namespace {

// The exit code of `body`, run in a child that has locked itself in; 100 when that failed.
int in_jail(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(enter_jail().has_error() ? 100 : body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

bool is_denied(long result) {
  return result < 0 && errno == EPERM;
}

TEST(JailTest, NoNetwork) {
  EXPECT_EQ(in_jail([] { return is_denied(::socket(AF_INET, SOCK_STREAM, 0)) ? 0 : 1; }), 0);
  EXPECT_EQ(in_jail([] { return is_denied(::socket(AF_UNIX, SOCK_STREAM, 0)) ? 0 : 1; }), 0);
}

TEST(JailTest, NoOtherProcesses) {
  EXPECT_EQ(in_jail([] { return is_denied(::kill(::getppid(), 0)) ? 0 : 1; }), 0);
  EXPECT_EQ(in_jail([] { return is_denied(::ptrace(PTRACE_ATTACH, ::getppid(), 0, 0)) ? 0 : 1; }), 0);
  EXPECT_EQ(in_jail([] { return is_denied(::setsid()) ? 0 : 1; }), 0) << "would escape the group that is killed";
}

TEST(JailTest, NoChangesToFiles) {
  const testing::TemporaryDirectory directory;
  const auto file = directory.write("file", "content");
  EXPECT_EQ(in_jail([&] { return is_denied(::unlink(file.c_str())) ? 0 : 1; }), 0);
  EXPECT_EQ(in_jail([&] { return is_denied(::rename(file.c_str(), (file.string() + "2").c_str())) ? 0 : 1; }), 0);
  EXPECT_EQ(in_jail([&] { return is_denied(::chmod(file.c_str(), 0777)) ? 0 : 1; }), 0);
  EXPECT_EQ(in_jail([&] { return is_denied(::mount("x", "/mnt", "tmpfs", 0, nullptr)) ? 0 : 1; }), 0);
  EXPECT_EQ(in_jail([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND);
              return ::write(fd, "x", 1) < 0 ? 0 : 1;
            }),
            0);
  EXPECT_EQ(std::filesystem::file_size(file), 7u);
}

TEST(JailTest, PrivilegesAreGoneForGood) {
  EXPECT_EQ(in_jail([] { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1; }), 0);
}

TEST(JailTest, ProgramsRunAndInheritIt) {
  EXPECT_EQ(in_jail([] {
              const auto output = run_program({"sh", "-c", "echo ran; kill -0 $PPID; rm /nonexistent-file"}, 1000);
              return output.has_value() && output->out == "ran\n" ? 0 : 1;
            }),
            0);
  const testing::TemporaryDirectory directory;
  const auto file = directory.write("file", "content");
  EXPECT_EQ(in_jail([&] {
              const auto output = run_program({"rm", "-f", file.string()}, 1000);
              return output.has_value() && output->exit_code != 0 ? 0 : 1;
            }),
            0);
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST(JailTest, MemoryIsLimited) {
  if (!testing::kAllocationsMayFail) GTEST_SKIP() << "built with a sanitizer";
  EXPECT_EQ(in_jail([] {
              if (limit_memory(64u << 20).has_error()) return 2;
              void* small = std::malloc(8u << 20);
              void* large = std::malloc(256u << 20);
              return small != nullptr && large == nullptr ? 0 : 1;
            }),
            0);
}

TEST(JailTest, CpuTimeIsLimited) {
  EXPECT_EQ(in_jail([] {
              allow_cpu_seconds(0);
              while (true) {
                static_cast<void>(::getppid());
              }
              return 1;
            }),
            1000 + SIGXCPU);
}

}  // namespace
}  // namespace ragtime::documents
