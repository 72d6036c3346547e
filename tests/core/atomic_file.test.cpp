// SPDX-License-Identifier: MIT
#include <pam/core/atomic_file.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "train/forks.hpp"

#include <csignal>
#include <stdexcept>

#include <sys/resource.h>
#include <sys/stat.h>

namespace core_atomic_file_test {
using namespace pam;
using pam::test::message_of;
using pam::test::read_bytes;
using pam::test::TempDir;
using pam::test::to_bytes;

/// The number of files in `folder`: temporary ones must not stay behind.
std::ptrdiff_t files_in(const std::filesystem::path& folder) {
  return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  write_atomically(path, [&](std::ostream& out) { out << text; });
}

TEST_CASE("a file is written whole, in small and large pieces, and replaced", "[core]") {
  const TempDir folder;
  const auto path = folder / "file.bin";
  write_text(path, "old");
  CHECK(read_bytes(path) == to_bytes("old"));
  std::string expected;
  write_atomically(path, [&](std::ostream& out) {
    // 64 KiB is the buffer's size: pieces below, at and above it.
    for (const std::size_t size : {1u, 65'535u, 65'536u, 65'537u, 3u, 300'000u, 0u, 7u}) {
      const std::string piece(size, static_cast<char>('a' + size % 26));
      out << piece;
      expected += piece;
      out.put('|');
      out.write(nullptr, 0);  // the data of an empty tensor; the fuzzer's seeds found memcpy(…, nullptr, 0) here
      expected += '|';
    }
  });
  CHECK(read_bytes(path) == to_bytes(expected));
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("an exception leaves the old file and no temporary file", "[core]") {
  const TempDir folder;
  const auto path = folder / "file.txt";
  write_text(path, "old");
  const auto write = [&] {
    write_atomically(path, [](std::ostream& out) {
      out << std::string(100'000, 'x');
      throw std::out_of_range("the caller's own");
    });
  };
  CHECK_THROWS_AS(write(), std::out_of_range);
  CHECK(read_bytes(path) == to_bytes("old"));
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a content stream that fails is an error, not a short file", "[core]") {
  const TempDir folder;
  const auto write = [&] {
    write_atomically(folder / "file.txt", [](std::ostream& out) { out.setstate(std::ios::failbit); });
  };
  CHECK_THAT(message_of<Error>(write), Catch::Contains("file.txt") && Catch::Contains("could not be written"));
  CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("a full disk is reported with the system's words and leaves the old file", "[core]") {
  const TempDir folder;
  const auto path = folder / "file.bin";
  write_text(path, "old");
  // A limit on the size of files is the full disk that needs no root; the failing write returns EFBIG.
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  getrlimit(RLIMIT_FSIZE, &old_limit);
  rlimit small = old_limit;
  small.rlim_cur = 1'000'000;
  setrlimit(RLIMIT_FSIZE, &small);
  const auto message = message_of<Error>([&] { write_text(path, std::string(2'000'000, 'x')); });
  // The cause counts, not what the callback throws because its stream went bad.
  const auto thrown = message_of<Error>([&] {
    write_atomically(path, [](std::ostream& out) {
      out << std::string(2'000'000, 'x');
      throw std::runtime_error("stream is bad");
    });
  });
  setrlimit(RLIMIT_FSIZE, &old_limit);
  std::signal(SIGXFSZ, old_handler);
  CHECK_THAT(message, Catch::Contains("file.bin") && Catch::Contains("cannot write") && Catch::Contains("File too large"));
  CHECK_THAT(thrown, Catch::Contains("File too large"));
  CHECK(read_bytes(path) == to_bytes("old"));
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("the errno of a full device is kept to the end", "[core]") {
  const int descriptor = ::open("/dev/full", O_WRONLY);
  if (descriptor < 0) PAM_SKIP("there is no /dev/full");
  pam::detail::DescriptorBuffer buffer(descriptor);
  std::ostream out(&buffer);
  out << std::string(100'000, 'x') << std::flush;
  CHECK(buffer.error() == ENOSPC);
  CHECK_FALSE(out.good());
  ::close(descriptor);
}

TEST_CASE("places where no file can be are refused by name", "[core]") {
  const TempDir folder;
  write_text(folder / "file", "old");
  const auto write_to = [](const std::filesystem::path& path) { return message_of<Error>([&] { write_text(path, "x"); }); };
  CHECK_THAT(write_to(folder / "none/file"), Catch::Contains("none/file") && Catch::Contains("No such file or directory") &&
                                                 Catch::Contains("make the folder first"));
  CHECK_THAT(write_to(folder / "file/below"), Catch::Contains("Not a directory"));
  CHECK_THAT(write_to(folder.path()), Catch::Contains("is a folder or device"));
  CHECK_THAT(write_to("/dev/null"), Catch::Contains("is a folder or device"));
  CHECK_THAT(write_to(folder / std::string(300, 'n')), Catch::Contains("File name too long"));
  CHECK(std::filesystem::is_character_file("/dev/null"));
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a write-protected file is refused", "[core]") {
  const TempDir folder;
  write_text(folder / "file", "old");
  ::chmod((folder / "file").c_str(), 0444);
  ::chmod(folder.path().c_str(), 0777);
  // Root may write everywhere, so a process of root's tries it as nobody.
  const auto process = test::start_process(
      [&] {
        check(geteuid() != 0 || setuid(65534) == 0, "this process cannot become another user");
        write_text(folder / "file", "x");
      },
      folder / "why");
  CHECK(test::end_of(process) != 0);
  CHECK_THAT(test::text_of(folder / "why"), Catch::Contains("write-protected"));
  CHECK(read_bytes(folder / "file") == to_bytes("old"));
}

TEST_CASE("a new file gets the user's permissions, a replaced one keeps its own, a link keeps pointing", "[core]") {
  const TempDir folder;
  const auto mode = [](const std::filesystem::path& path) {
    struct stat status {};
    ::stat(path.c_str(), &status);
    return status.st_mode & 0777;
  };
  const auto mask = ::umask(027);
  write_text(folder / "file", "one");
  ::umask(mask);
  CHECK(mode(folder / "file") == 0640);
  ::chmod((folder / "file").c_str(), 0604);
  std::filesystem::create_symlink("file", folder / "link");
  write_text(folder / "link", "two");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_bytes(folder / "file") == to_bytes("two"));
  CHECK(mode(folder / "file") == 0604);
}
}  // namespace core_atomic_file_test
