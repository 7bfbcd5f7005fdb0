#include "documents/jail.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>

#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "documents/file_bytes.h"

namespace ragtime::documents {
namespace {

constexpr rlim_t kOpenFilesMax = 64;

constexpr int kDenied[] = {
    // Network.
    SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept),
    SCMP_SYS(accept4), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg),
    // Other processes.
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_send_signal), SCMP_SYS(kcmp), SCMP_SYS(setpgid), SCMP_SYS(setsid),
    // Files, beyond reading.
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink), SCMP_SYS(symlinkat),
    SCMP_SYS(mknod), SCMP_SYS(mknodat), SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(chown),
    SCMP_SYS(fchown), SCMP_SYS(lchown), SCMP_SYS(fchownat), SCMP_SYS(truncate), SCMP_SYS(ftruncate), SCMP_SYS(setxattr),
    SCMP_SYS(lsetxattr), SCMP_SYS(fsetxattr), SCMP_SYS(removexattr), SCMP_SYS(utimensat), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(name_to_handle_at),
    // The system.
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(move_mount),
    SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(keyctl),
    SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(init_module),
    SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot),
    SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime), SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime), SCMP_SYS(acct), SCMP_SYS(quotactl),
    SCMP_SYS(syslog), SCMP_SYS(personality), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(modify_ldt)};

Error not_locked(const char* what) {
  return make_error(ErrorCode::unavailable, std::string("the parse worker cannot lock itself down: ") + what);
}

bool set_limit(__rlimit_resource resource, rlim_t value) {
  const rlimit limit{value, value};
  return ::setrlimit(resource, &limit) == 0;
}

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};

bool deny(scmp_filter_ctx filter, int call) {
  const int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);
  return error == 0 || error == -EDOM || error == -EEXIST;  // EDOM: this architecture has no such call.
}

// Signals may go to the process itself and to its children, as abort() and a killed pdftotext need; not to its parent.
bool deny_signals(scmp_filter_ctx filter) {
  const auto parent = static_cast<scmp_datum_t>(::getppid());
  const auto everybody = static_cast<scmp_datum_t>(static_cast<std::uint32_t>(-1));
  for (const int call : {SCMP_SYS(kill), SCMP_SYS(tkill), SCMP_SYS(tgkill), SCMP_SYS(rt_sigqueueinfo)}) {
    for (const scmp_datum_t target : {parent, everybody}) {
      const scmp_arg_cmp matches = SCMP_A0_32(SCMP_CMP_EQ, target);
      if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 1, matches) != 0) return false;
    }
  }
  return true;
}

bool filter_system_calls() {
  const std::unique_ptr<void, Release> filter(seccomp_init(SCMP_ACT_ALLOW));
  if (filter == nullptr || !deny_signals(filter.get())) return false;
  for (const int call : kDenied) {
    if (!deny(filter.get(), call)) return false;
  }
  return seccomp_load(filter.get()) == 0;
}

}  // namespace

Result<void> enter_jail() {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return not_locked("PR_SET_PDEATHSIG");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return not_locked("PR_SET_NO_NEW_PRIVS");
  if (!set_limit(RLIMIT_CORE, 0) || !set_limit(RLIMIT_FSIZE, 0) || !set_limit(RLIMIT_NOFILE, kOpenFilesMax)) {
    return not_locked("resource limits");
  }
  if (!filter_system_calls()) return not_locked("seccomp");
  return {};
}

Result<void> limit_memory(std::uint64_t bytes_more) {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return not_locked("/proc is not mounted");
  unsigned long long pages = 0;
  const int fields = std::fscanf(file, "%llu", &pages);
  std::fclose(file);
  if (fields != 1) return not_locked("/proc/self/statm");
  const rlim_t in_use = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
  if (!set_limit(RLIMIT_AS, in_use + bytes_more)) return not_locked("RLIMIT_AS");
  return {};
}

void allow_cpu_seconds(std::uint32_t seconds) {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  rlimit limit{};
  ::getrlimit(RLIMIT_CPU, &limit);
  const auto spent = static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1);
  limit.rlim_cur = std::min<rlim_t>(spent + seconds, limit.rlim_max);
  ::setrlimit(RLIMIT_CPU, &limit);
}

}  // namespace ragtime::documents
