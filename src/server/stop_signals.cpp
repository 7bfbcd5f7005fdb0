#include "server/stop_signals.h"

#include <utility>

#include <pthread.h>
#include <unistd.h>

#include "server/exit_code.h"

namespace ragtime::server {
namespace {

// Wakes the watching thread when the object goes away.
constexpr int kWakeSignal = SIGUSR1;

}  // namespace

StopSignals::StopSignals(std::function<void()> on_stop, Hangup hangup) : hangup_(hangup), on_stop_(std::move(on_stop)) {
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

sigset_t StopSignals::watched_signals() const {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, kWakeSignal}) sigaddset(&signals, signal);
  if (hangup_ == Hangup::is_awaited) sigaddset(&signals, SIGHUP);
  return signals;
}

void StopSignals::watch() {
  const sigset_t signals = watched_signals();
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal == kWakeSignal) return;
    if (signal == SIGHUP) {
      note_hangup();
      continue;
    }
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

void StopSignals::note_hangup() {
  {
    const std::lock_guard lock(mutex_);
    hung_up_ = true;
  }
  changed_.notify_all();
}

bool StopSignals::wait_for_hangup() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return hung_up_ || received(); });
  return std::exchange(hung_up_, false) && !received();
}

}  // namespace ragtime::server
