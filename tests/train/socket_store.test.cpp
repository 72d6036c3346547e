// SPDX-License-Identifier: MIT
#include <pam/train/distributed/process_group.hpp>

#include "support/catch.hpp"
#include "train/forks.hpp"

#if PAM_HAS_PROCESS_GROUP

#include <chrono>
#include <thread>

namespace train_socket_store_test {

using namespace pam;
using namespace pam::test;
using Catch::Matchers::Contains;
using std::chrono::milliseconds;
using Bytes = std::vector<std::uint8_t>;

TEST_CASE("a store answers all its clients alike", "[train]") {
  const auto port = free_port();
  SocketStore server("127.0.0.1", port, true, milliseconds(2000)), client("127.0.0.1", port, false, milliseconds(2000));
  server.set("a", Bytes{1, 0, 255});
  CHECK(client.get("a") == Bytes{1, 0, 255});
  CHECK(client.add("n", 5) == 5);
  CHECK(server.add("n", -2) == 3);
  CHECK(client.check({"a", "n"}));
  CHECK_FALSE(client.check({"a", "b"}));
  CHECK(client.getNumKeys() == 2);
  CHECK(server.deleteKey("a"));
  CHECK_FALSE(client.deleteKey("a"));
  CHECK(client.compareSet("c", {}, Bytes{7}) == Bytes{7});        // absent: set
  CHECK(client.compareSet("c", Bytes{8}, Bytes{9}) == Bytes{7});  // another value: kept
  CHECK(client.compareSet("c", Bytes{7}, Bytes{9}) == Bytes{9});  // the expected one: replaced
  CHECK(server.get("c") == Bytes{9});
  client.set("empty", {});
  CHECK(server.get("empty").empty());
  const auto copy = client.clone();
  CHECK(copy->get("c") == Bytes{9});
}

TEST_CASE("a client waits for a key, and says when it does not come", "[train]") {
  const auto port = free_port();
  SocketStore server("127.0.0.1", port, true, milliseconds(5000)), client("127.0.0.1", port, false, milliseconds(5000));
  std::thread late([&] {
    std::this_thread::sleep_for(milliseconds(50));
    server.set("late", Bytes{4});
  });
  CHECK(client.get("late") == Bytes{4});
  late.join();
  CHECK_THROWS_WITH(client.wait({"never"}, milliseconds(50)), Contains("did not come within 0.05 s"));
}

TEST_CASE("clients may come before the server", "[train]") {
  const auto port = free_port();
  std::thread late([&] {
    SocketStore client("127.0.0.1", port, false, milliseconds(5000));
    client.set("here", Bytes{1});
  });
  std::this_thread::sleep_for(milliseconds(50));
  SocketStore server("127.0.0.1", port, true, milliseconds(5000));
  CHECK(server.get("here") == Bytes{1});
  late.join();
}

TEST_CASE("a stranger's bytes end his connection and nothing else", "[train]") {
  const auto port = free_port();
  SocketStore server("127.0.0.1", port, true, milliseconds(2000));
  auto stranger = pam::detail::Socket::connect("127.0.0.1", port, milliseconds(1000));
  std::vector<std::string> answer;
  CHECK(stranger.send(std::vector<std::string>(100, "x")));  // more strings than a message may have
  CHECK_FALSE(stranger.receive(answer));
  server.set("a", Bytes{1});
  CHECK(server.get("a") == Bytes{1});
}

TEST_CASE("a client of a server that has ended says so", "[train]") {
  const auto port = free_port();
  auto server = std::make_unique<SocketStore>("127.0.0.1", port, true, milliseconds(1000));
  SocketStore client("127.0.0.1", port, false, milliseconds(1000));
  server.reset();
  CHECK_THROWS_WITH(client.set("a", Bytes{1}), Contains("has ended"));
}

}  // namespace train_socket_store_test

#endif  // PAM_HAS_PROCESS_GROUP
