#include "engine/parallel_for.h"

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>

namespace ragtime::engine {
namespace {

// Shared with pool threads that may come when everything is done already; those touch nothing else.
class Loop {
 public:
  Loop(std::size_t count, const std::function<void(std::size_t)>& work) : count_(count), work_(work) {}

  void take_part() {
    std::unique_lock lock(mutex_);
    while (next_ < count_) {
      const std::size_t index = next_++;
      lock.unlock();
      std::exception_ptr failure = call(index);
      lock.lock();
      if (failure) failure_ = failure;
      if (++done_ == count_) finished_.notify_all();
    }
  }

  void wait() {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] { return done_ == count_; });
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::exception_ptr call(std::size_t index) {
    try {
      work_(index);
      return nullptr;
    } catch (...) {
      return std::current_exception();
    }
  }

  const std::size_t count_;
  const std::function<void(std::size_t)>& work_;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::size_t next_ = 0;        // Guarded by mutex_.
  std::size_t done_ = 0;        // Guarded by mutex_.
  std::exception_ptr failure_;  // Guarded by mutex_.
};

}  // namespace

void parallel_for(async::ThreadPool& pool, std::size_t count, const std::function<void(std::size_t)>& work) {
  const auto loop = std::make_shared<Loop>(count, work);
  for (std::size_t i = 1; i < count && i < pool.threads(); ++i) {
    if (!pool.post([loop] { loop->take_part(); })) break;
  }
  loop->take_part();
  loop->wait();
}

}  // namespace ragtime::engine
