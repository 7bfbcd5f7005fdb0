#include "server/stop_signals.h"

#include <csignal>

#include <pthread.h>
#include <unistd.h>

#include "server/exit_code.h"

namespace ragtime::server {
namespace {

// Wakes the watching thread when the object goes away.
constexpr int kWakeSignal = SIGUSR1;

sigset_t watched_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, kWakeSignal}) sigaddset(&signals, signal);
  return signals;
}

}  // namespace

StopSignals::StopSignals(std::function<void()> on_stop) : on_stop_(std::move(on_stop)) {
  const sigset_t signals = watched_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  thread_ = std::thread([this] { watch(); });
}

StopSignals::~StopSignals() {
  pthread_kill(thread_.native_handle(), kWakeSignal);
  thread_.join();
  const sigset_t signals = watched_signals();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

void StopSignals::watch() {
  const sigset_t signals = watched_signals();
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal == kWakeSignal) return;
    if (received()) ::_exit(kExitInterrupted);
    std::function<void()> call;
    {
      const std::lock_guard lock(mutex_);
      signal_ = signal;
      call = on_stop_;
    }
    changed_.notify_all();
    if (call) call();
  }
}

void StopSignals::on_stop(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    on_stop_ = call;
    if (!received()) return;
  }
  if (call) call();
}

void StopSignals::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return received(); });
}

}  // namespace ragtime::server
