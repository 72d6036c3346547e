// SPDX-License-Identifier: MIT
/// The key-value store by which processes find each other, over TCP. c10d's own TCPStore listens on every network
/// interface of the machine; this one binds to a given address, loopback by default.
#pragma once

#include <pam/train/distributed/detail/socket.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <torch/csrc/distributed/c10d/Store.hpp>

namespace pam {
namespace detail {

enum class StoreCommand : std::uint8_t { kSet, kGet, kAdd, kHas, kDelete, kCount, kCompareSet };

/// The map behind a store: listens, and answers each connection on a thread of its own. It does not wait for keys;
/// clients ask again.
class StoreServer {
 public:
  StoreServer(const std::string& address, std::uint16_t port)
      : listener_(Socket::listen(address, port)), acceptor_([this] { accept_all(); }) {}
  StoreServer(const StoreServer&) = delete;
  StoreServer& operator=(const StoreServer&) = delete;
  ~StoreServer() {
    listener_.shut_down();
    acceptor_.join();
    for (auto& connection : connections_) connection->shut_down();
    for (auto& thread : threads_) thread.join();
  }

 private:
  void accept_all() {
    while (true) {
      auto connection = std::make_shared<Socket>(listener_.accept());
      if (!connection->open()) return;
      connections_.push_back(connection);
      threads_.emplace_back([this, connection] { serve(*connection); });
    }
  }

  void serve(Socket& connection) {
    std::vector<std::string> request;
    while (connection.receive(request) && request.size() >= 2 && request[0].size() == 1) {
      if (!connection.send(answer(request))) break;
    }
    connection.shut_down();  // also after an invalid message: its sender must not wait for an answer
  }

  std::vector<std::string> answer(const std::vector<std::string>& request) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto& key = request[1];
    const auto value = request.size() > 2 ? request[2] : std::string();
    switch (static_cast<StoreCommand>(request[0][0])) {
      case StoreCommand::kSet:
        values_[key] = value;
        return {""};
      case StoreCommand::kGet:
        return values_.count(key) > 0 ? std::vector<std::string>{"", values_[key]} : std::vector<std::string>{};
      case StoreCommand::kAdd: {
        auto& sum = values_[key];
        sum = std::to_string(std::atoll(sum.c_str()) + std::atoll(value.c_str()));
        return {"", sum};
      }
      case StoreCommand::kHas:
        return {"", values_.count(key) > 0 ? "1" : "0"};
      case StoreCommand::kDelete:
        return {"", values_.erase(key) > 0 ? "1" : "0"};
      case StoreCommand::kCount:
        return {"", std::to_string(values_.size())};
      case StoreCommand::kCompareSet: {
        const auto wanted = request.size() > 3 ? request[3] : std::string();
        const auto found = values_.find(key);
        if (found == values_.end() && value.empty()) values_[key] = wanted;
        if (found != values_.end() && found->second == value) found->second = wanted;
        return {"", values_.count(key) > 0 ? values_[key] : value};
      }
    }
    return {};
  }

  Socket listener_;
  std::mutex mutex_;
  std::map<std::string, std::string> values_;
  std::vector<std::shared_ptr<Socket>> connections_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace detail

/// A c10d::Store on one server. Overriding functions are not marked `override`: `clone` is one in LibTorch 2.15 only.
class SocketStore final : public c10d::Store {
 public:
  /// `serve`: this process also holds the data. Waits up to `timeout` for the server. Throws `Error` where the address
  /// cannot be bound or nobody answers.
  SocketStore(const std::string& address, std::uint16_t port, bool serve, std::chrono::milliseconds timeout)
      : c10d::Store(timeout),
        address_(address),
        port_(port),
        server_(serve ? std::make_shared<detail::StoreServer>(address, port) : nullptr),
        socket_(detail::Socket::connect(address, port, timeout)) {}

  c10::intrusive_ptr<c10d::Store> clone() {
    auto copy = c10::make_intrusive<SocketStore>(address_, port_, false, timeout_);
    copy->server_ = server_;
    return copy;
  }
  void set(const std::string& key, const std::vector<std::uint8_t>& value) {
    ask(detail::StoreCommand::kSet, {key, text(value)});
  }
  std::vector<std::uint8_t> get(const std::string& key) {
    wait({key});
    const auto value = ask(detail::StoreCommand::kGet, {key});
    return {value.begin(), value.end()};
  }
  std::int64_t add(const std::string& key, std::int64_t value) {
    return std::stoll(ask(detail::StoreCommand::kAdd, {key, std::to_string(value)}));
  }
  std::vector<std::uint8_t> compareSet(const std::string& key, const std::vector<std::uint8_t>& expected,
                                       const std::vector<std::uint8_t>& wanted) {
    const auto value = ask(detail::StoreCommand::kCompareSet, {key, text(expected), text(wanted)});
    return {value.begin(), value.end()};
  }
  bool deleteKey(const std::string& key) { return ask(detail::StoreCommand::kDelete, {key}) == "1"; }
  bool check(const std::vector<std::string>& keys) {
    return std::all_of(keys.begin(), keys.end(),
                       [&](const auto& key) { return ask(detail::StoreCommand::kHas, {key}) == "1"; });
  }
  std::int64_t getNumKeys() { return std::stoll(ask(detail::StoreCommand::kCount, {""})); }
  void wait(const std::vector<std::string>& keys) { wait(keys, timeout_); }
  /// Asks until all keys are there. Throws `Error` after `timeout` (0: never).
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) {
    const auto begin = std::chrono::steady_clock::now();
    auto pause = std::chrono::milliseconds(1);
    while (!check(keys)) {
      pam::check(timeout == kNoTimeout || std::chrono::steady_clock::now() - begin < timeout,
                 "process store at {}:{}: another process did not come within {} s", address_, port_,
                 std::chrono::duration<double>(timeout).count());
      std::this_thread::sleep_for(pause);
      pause = std::min(2 * pause, std::chrono::milliseconds(20));
    }
  }

 private:
  static std::string text(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

  std::string ask(detail::StoreCommand command, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), std::string(1, static_cast<char>(command)));
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::string> answer;
    pam::check(socket_.send(arguments) && socket_.receive(answer) && !answer.empty(),
               "process store at {}:{}: the process that holds it (rank 0) has ended", address_, port_);
    return answer.size() > 1 ? answer[1] : std::string();
  }

  std::string address_;
  std::uint16_t port_;
  std::shared_ptr<detail::StoreServer> server_;
  std::mutex mutex_;
  detail::Socket socket_;
};

}  // namespace pam
