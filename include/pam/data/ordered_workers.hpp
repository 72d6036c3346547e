// SPDX-License-Identifier: MIT
/// `OrderedWorkers`: threads that make items 0, 1, 2, … ahead of time, for data loaders and data sets. The consumer
/// gets the items, and the exceptions, in order, however many threads there are.
#pragma once

#include <pam/core/error.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace pam {

/// Makes `count` items with `make(index)` on `workers` threads, at most `ahead` items before the consumer
/// (0 workers: on the consumer's thread). The destructor lets each thread finish its item, then stops it.
template <typename T>
class OrderedWorkers {
 public:
  OrderedWorkers(std::int64_t count, std::int64_t workers, std::int64_t ahead, std::function<T(std::int64_t)> make)
      : count_(count), ahead_(std::max<std::int64_t>(ahead, 1)), make_(std::move(make)) {
    try {
      for (std::int64_t i = 0; i < std::min(workers, count); ++i) threads_.emplace_back([this] { work(); });
    } catch (...) {  // the system allows no more threads
      stop();
      throw;
    }
  }
  OrderedWorkers(const OrderedWorkers&) = delete;
  OrderedWorkers& operator=(const OrderedWorkers&) = delete;
  ~OrderedWorkers() { stop(); }

  /// The next item, or nothing after the last one. If `make` threw, throws that; the next call continues with the item
  /// after it.
  std::optional<T> next() {
    if (consumed_ >= count_) return std::nullopt;
    const auto start = std::chrono::steady_clock::now();
    const auto waited = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
    if (threads_.empty()) {
      const auto index = consumed_++;
      auto item = make_(index);  // made while the consumer waits
      wait_seconds_ += waited();
      return item;
    }
    std::unique_lock<std::mutex> lock(mutex_);
    made_.wait(lock, [this] { return done_.count(consumed_) > 0; });
    auto result = std::move(done_.extract(consumed_).mapped());
    ++consumed_;
    wait_seconds_ += waited();
    lock.unlock();
    room_.notify_all();
    if (result.error) std::rethrow_exception(result.error);
    return std::move(result.item);
  }

  /// The time that `next` has blocked so far.
  [[nodiscard]] double wait_seconds() const { return wait_seconds_; }

 private:
  struct Result {
    std::optional<T> item;
    std::exception_ptr error;
  };

  void work() {
    for (;;) {
      std::int64_t index = 0;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        room_.wait(lock, [this] { return stopping_ || started_ >= count_ || started_ < consumed_ + ahead_; });
        if (stopping_ || started_ >= count_) return;
        index = started_++;
      }
      Result result;
      try {
        result.item = make_(index);
      } catch (...) {
        result.error = std::current_exception();
      }
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        done_.emplace(index, std::move(result));
      }
      made_.notify_one();
    }
  }

  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

  const std::int64_t count_, ahead_;
  const std::function<T(std::int64_t)> make_;
  std::mutex mutex_;
  std::condition_variable made_, room_;
  std::map<std::int64_t, Result> done_;
  std::int64_t started_ = 0, consumed_ = 0;
  bool stopping_ = false;
  double wait_seconds_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace pam
