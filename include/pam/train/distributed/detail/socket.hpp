// SPDX-License-Identifier: MIT
/// A TCP socket that sends and receives lists of short strings, and functions for addresses.
#pragma once

#include <pam/core/error.hpp>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace pam::detail {

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

/// The addresses of `host`; throws `Error` where it has none.
inline AddressList resolve(const std::string& host, std::uint16_t port, int type) {
  addrinfo hints{};
  hints.ai_socktype = type;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  check(error == 0, "the address '{}' (MASTER_ADDR) is unknown: {}; give a name or number that this machine resolves",
        host, ::gai_strerror(error));
  return {found, &::freeaddrinfo};
}

/// An open socket, closed at the end. A message is: u32 count, then u32 length and bytes of each string.
class Socket {
 public:
  explicit Socket(int descriptor = -1) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  /// Listens only on `host`, not on the machine's other addresses.
  static Socket listen(const std::string& host, std::uint16_t port) {
    const auto addresses = resolve(host, port, SOCK_STREAM);
    Socket socket(::socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(socket.descriptor_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    check(socket.open() && ::bind(socket.descriptor_, addresses->ai_addr, addresses->ai_addrlen) == 0 &&
              ::listen(socket.descriptor_, SOMAXCONN) == 0,
          "process 0 cannot listen on {}:{}: {}; set MASTER_ADDR to an address of this machine and MASTER_PORT to a "
          "free port",
          host, port, std::strerror(errno));
    return socket;
  }

  /// Tries until `timeout`: the process that listens may start later.
  static Socket connect(const std::string& host, std::uint16_t port, std::chrono::milliseconds timeout) {
    const auto addresses = resolve(host, port, SOCK_STREAM);
    const auto begin = std::chrono::steady_clock::now();
    while (true) {
      int error = 0;
      for (const auto* address = addresses.get(); address != nullptr; address = address->ai_next) {
        Socket socket(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (socket.open() && ::connect(socket.descriptor_, address->ai_addr, address->ai_addrlen) == 0) {
          const int on = 1;
          ::setsockopt(socket.descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          return socket;
        }
        error = errno;
      }
      check(std::chrono::steady_clock::now() - begin < timeout,
            "process 0 does not answer at {}:{} within {} s ({}); is it running, with the same MASTER_ADDR and "
            "MASTER_PORT?",
            host, port, std::chrono::duration<double>(timeout).count(), std::strerror(error));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  [[nodiscard]] bool open() const { return descriptor_ >= 0; }
  /// The next connection; not `open` after `shut_down`.
  Socket accept() {
    int connection = -1;
    do {
      connection = ::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
    } while (connection < 0 && (errno == EINTR || errno == ECONNABORTED));
    return Socket(connection);
  }
  /// Ends all waiting calls, also in other threads.
  void shut_down() { ::shutdown(descriptor_, SHUT_RDWR); }

  /// False if the other side is gone.
  bool send(const std::vector<std::string>& strings) {
    std::string message = number(strings.size());
    for (const auto& each : strings) message += number(each.size()) + each;
    for (std::size_t sent = 0; sent < message.size();) {
      const auto count = ::send(descriptor_, message.data() + sent, message.size() - sent, MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      sent += static_cast<std::size_t>(count);
    }
    return true;
  }

  /// False if the other side is gone or sends something that is not a message.
  bool receive(std::vector<std::string>& strings) {
    constexpr std::uint32_t most_strings = 16, longest = 1 << 20;
    strings.clear();
    std::uint32_t count = 0, length = 0;
    if (!read(&count, sizeof count) || count > most_strings) return false;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (!read(&length, sizeof length) || length > longest) return false;
      strings.emplace_back(length, '\0');
      if (!read(strings.back().data(), length)) return false;
    }
    return true;
  }

 private:
  static std::string number(std::size_t value) {
    const auto narrow = static_cast<std::uint32_t>(value);
    return {reinterpret_cast<const char*>(&narrow), sizeof narrow};
  }
  bool read(void* target, std::size_t size) {
    for (std::size_t done = 0; done < size;) {
      const auto count = ::recv(descriptor_, static_cast<char*>(target) + done, size - done, 0);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      done += static_cast<std::size_t>(count);
    }
    return true;
  }

  int descriptor_;
};

/// This machine's address on the way to `host`, as text: what other processes of the job can reach. A UDP socket asks
/// the routing table; nothing is sent.
inline std::string own_address_towards(const std::string& host, std::uint16_t port) {
  const auto addresses = resolve(host, port, SOCK_DGRAM);
  for (const auto* address = addresses.get(); address != nullptr; address = address->ai_next) {
    const int descriptor = ::socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    char text[NI_MAXHOST] = {};
    const bool known =
        descriptor >= 0 && ::connect(descriptor, address->ai_addr, address->ai_addrlen) == 0 &&
        ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
        ::getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0;
    if (descriptor >= 0) ::close(descriptor);
    if (known) return text;
  }
  fail("no network interface of this machine reaches {} (MASTER_ADDR)", host);
}

}  // namespace pam::detail
