#include "async/semaphore.h"

#include <utility>

#include <boost/asio/this_coro.hpp>

#include "base/check.h"

namespace ragtime::async {

Semaphore::Permit::Permit(Permit&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}

Semaphore::Permit& Semaphore::Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    reset();
    owner_ = std::exchange(other.owner_, nullptr);
  }
  return *this;
}

void Semaphore::Permit::reset() {
  if (owner_ != nullptr) std::exchange(owner_, nullptr)->release();
}

Semaphore::Semaphore(std::size_t permits, std::size_t waiters_max)
    : waiters_max_(waiters_max), permits_(permits), available_(permits) {}

Semaphore::~Semaphore() {
  RAGTIME_CHECK(available_ == permits_ && waiters_.empty());
}

Task<Result<Semaphore::Permit>> Semaphore::acquire(RequestContext& context) {
  RAGTIME_CO_TRY_DONE(context.check());
  const auto executor = co_await asio::this_coro::executor;
  Waiter waiter(executor);
  {
    const std::lock_guard lock(mutex_);
    if (available_ > 0) {
      --available_;
      co_return Permit(*this);
    }
    if (waiters_.size() >= waiters_max_) {
      co_return make_error(ErrorCode::resource_exhausted, "too many requests are waiting; retry later");
    }
    waiters_.push_back(&waiter);
  }
  auto outcome = co_await waiter.granted_event.wait(context);
  if (outcome.has_error() && leave(waiter)) co_return std::move(outcome).error();
  co_return Permit(*this);
}

std::size_t Semaphore::available() const {
  const std::lock_guard lock(mutex_);
  return available_;
}

std::size_t Semaphore::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiters_.size();
}

void Semaphore::release() {
  const std::lock_guard lock(mutex_);
  if (waiters_.empty()) {
    ++available_;
    return;
  }
  Waiter* next = waiters_.front();
  waiters_.pop_front();
  next->granted = true;
  // Under the lock: leave() takes it too, so the waiter cannot be gone yet.
  next->granted_event.set();
}

bool Semaphore::leave(Waiter& waiter) {
  const std::lock_guard lock(mutex_);
  if (waiter.granted) return false;
  waiters_.remove(&waiter);
  return true;
}

}  // namespace ragtime::async
