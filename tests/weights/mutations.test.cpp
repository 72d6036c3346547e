// SPDX-License-Identifier: MIT
// 10,000 random single-byte changes of valid files of each kind: they load or are refused by pam::Error, and nothing
// allocates more than the file's size plus 64 MiB. Anything else (c10::Error, bad_alloc, a signal) fails the test.
#include <pam/weights/weights.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/memory_limit.hpp"

#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <sstream>

namespace weights_mutations_test {
using namespace pam;
using pam::test::Bytes;
using pam::test::TempDir;

constexpr std::uint64_t kAllowance = 64u << 20;

StateDict sample() {
  StateDict tensors;
  for (const auto& row : pam::detail::kElementTypes) {
    tensors.emplace_back(row.safetensors, torch::arange(6).reshape({2, 3}).to(row.type));
  }
  tensors.emplace_back("scalar", torch::tensor(2.5));
  tensors.emplace_back("empty", torch::empty({0, 3}));
  return tensors;
}

/// Reads every element, so that a tensor that reaches beyond its file is seen (by the sanitizer at the latest).
void touch(const WeightsFile& file) {
  for (const auto& [name, tensor] : file.tensors) {
    if (tensor.numel() > 0 && tensor.numel() <= 100'000) tensor.to(torch::kDouble).sum();
  }
}

struct Tally {
  int loaded = 0, refused = 0;
};

/// `count` times: one byte of `valid` changed at random, then `read`.
Tally mutate(const Bytes& valid, int count, const std::function<WeightsFile(Bytes)>& read) {
  std::mt19937_64 random(20200907);
  Tally tally;
  const test::MemoryLimit limit(valid.size() + kAllowance);
  for (int i = 0; i < count; ++i) {
    auto bytes = valid;
    bytes[random() % bytes.size()] ^= static_cast<std::uint8_t>(1 + random() % 255);
    try {
      touch(read(std::move(bytes)));
      ++tally.loaded;
    } catch (const Error&) {
      ++tally.refused;
    }
  }
  return tally;
}

WeightsFile read_zip(Bytes bytes) { return pam::detail::parse_torch_zip(FileBytes::own(std::move(bytes), "a.pt"), ""); }

/// The pickle of a .pt file, and a reader that puts a changed pickle back into a sound archive: the checksum would
/// otherwise refuse every change before the unpickler sees it.
std::pair<Bytes, std::function<WeightsFile(Bytes)>> pickle_of(const Bytes& file) {
  using namespace pam::detail;
  const auto archive = std::make_shared<ZipArchive>(FileBytes::own(file, "a.pt"));
  const auto folder = torch_folder(*archive);
  const auto* entry = archive->find(folder + "data.pkl");
  const auto* begin = archive->data(*entry);
  const auto read = [archive, folder](Bytes pickle) {
    std::ostringstream out;
    ZipWriter zip(out);
    for (const auto& other : archive->entries()) {
      const std::string name(other.name);
      if (name == folder + "data.pkl") {
        zip.add(name, pickle.data(), pickle.size());
      } else {
        zip.add(name, archive->data(other), other.size);
      }
    }
    zip.finish();
    return read_zip(test::to_bytes(out.str()));
  };
  return {Bytes(begin, begin + entry->size), read};
}

Bytes golden(const char* name = "torch-2.15/checkpoint.pt") {
  return test::read_bytes(std::filesystem::path(PAM_SOURCE_DIR) / "tests/weights/data" / name);
}

TEST_CASE("the limit on memory does limit memory", "[weights]") {
  if (!test::kMemoryIsLimited) PAM_SKIP("the address sanitizer leaves no room for a limit");
  // malloc by way of a volatile pointer: compilers may drop a new that is deleted unused.
  void* (*volatile allocate)(std::size_t) = std::malloc;
  void* within = nullptr;
  void* beyond = nullptr;
  {
    const test::MemoryLimit limit(kAllowance);
    within = allocate(kAllowance / 2);
    beyond = allocate(kAllowance);
  }
  CHECK(within != nullptr);
  CHECK(beyond == nullptr);
  std::free(within);
  std::free(beyond);
}

TEST_CASE("10,000 changed bytes in a safetensors file load or are refused", "[weights]") {
  const TempDir folder;
  write_safetensors(folder / "a", sample(), {{"pam.net", "{}"}});
  const auto tally = mutate(test::read_bytes(folder / "a"), 10'000, [](Bytes bytes) {
    return pam::detail::parse_safetensors(FileBytes::own(std::move(bytes), "a.safetensors"));
  });
  CHECK(tally.loaded > 100);  // changes of the data cannot be seen: the format has no checksum
  CHECK(tally.refused > 5'000);
}

TEST_CASE("10,000 changed bytes in a .pt archive load or are refused", "[weights]") {
  const TempDir folder;
  write_torch_zip(folder / "a", sample(), {{"pam.net", "{}"}});
  for (const auto& valid : {test::read_bytes(folder / "a"), golden()}) {
    const auto tally = mutate(valid, 5'000, read_zip);
    CHECK(tally.loaded > 100);  // padding, dates, attributes
    CHECK(tally.refused > 1'000);
  }
}

TEST_CASE("10,000 changed bytes in a pickle load or are refused", "[weights]") {
  const TempDir folder;
  write_torch_zip(folder / "a", sample(), {{"pam.net", "{}"}});
  for (const auto& valid : {test::read_bytes(folder / "a"), golden(), golden("torch-1.13/extras5.pt")}) {
    const auto [pickle, read] = pickle_of(valid);
    const auto tally = mutate(pickle, 5'000, read);
    CHECK(tally.loaded > 10);  // letters in names
    CHECK(tally.refused > 1'000);
  }
}

TEST_CASE("files that lie about their size cost no memory", "[weights]") {
  const TempDir folder;
  const test::MemoryLimit limit(kAllowance);
  const auto refused = [](const Bytes& bytes) {
    return test::message_of<Error>([&] { pam::detail::parse_safetensors(FileBytes::own(bytes, "a")); });
  };
  for (const std::string& shape : {"[1099511627776]", "[1048576,1048576]", "[4611686018427387904,0,4]"}) {
    const auto header = R"({"w":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[0,0]}})";
    const std::uint64_t size = header.size();
    Bytes bytes(reinterpret_cast<const std::uint8_t*>(&size), reinterpret_cast<const std::uint8_t*>(&size) + 8);
    bytes.insert(bytes.end(), header.begin(), header.end());
    CHECK(refused(bytes) != "no error");
  }
  // The dearest pickles that the bounds allow: containers, list items, memo entries, stack.
  using pam::detail::Unpickler;
  const auto run = [](const std::string& pickle) {
    return test::message_of<Error>([&] {
      Unpickler("a", reinterpret_cast<const std::uint8_t*>(pickle.data()), pickle.size()).run();
    });
  };
  std::string dear = "\x80\x02";
  for (int i = 0; i < 290'000; ++i) dear += "N\x85";
  CHECK(run(dear) != "no error");
  std::string memo = "\x80\x02Nr\xFF\xFF\x07";
  memo += '\0';
  CHECK(run(memo + "(" + std::string(250'000, 'N') + "l") != "no error");
}
}  // namespace weights_mutations_test
