// SPDX-License-Identifier: MIT
/// The definitions of atomic_file.hpp.
#pragma once

#include <pam/core/atomic_file.hpp>
#include <pam/core/error.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <ostream>
#include <streambuf>
#include <string>

namespace pam {

namespace detail {

PAM_FUNC void fail_writing(const std::filesystem::path& path, const char* step, int error) {
  const char* remedy = error == ENOSPC || error == EDQUOT ? "free some space or choose another folder"
                       : error == EACCES || error == EPERM || error == EROFS ? "choose a folder you may write to"
                       : error == ENOENT || error == ENOTDIR                 ? "make the folder first"
                                                                             : "nothing was changed; try another place";
  fail("{}: cannot {}: {}; {}", path.string(), step, std::strerror(error), remedy);
}

PAM_FUNC void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // a folder that may be written but not read: the file is in place all the same
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (error == EIO || error == ENOSPC || error == EDQUOT) fail_writing(folder, "sync the folder", error);
}

PAM_FUNC pid_t writer_of(const std::string& name, const std::string& target) {
  if (name.rfind(target + ".", 0) != 0) return 0;
  const char* rest = name.c_str() + target.size() + 1;
  long writer = 0;
  unsigned number = 0;
  int length = 0;
  const bool whole = std::sscanf(rest, "%9ld-%9u.tmp%n", &writer, &number, &length) == 2 && length > 0;
  return whole && rest[length] == '\0' ? static_cast<pid_t>(writer) : 0;
}

}  // namespace detail
PAM_FUNC void remove_abandoned(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const auto writer = detail::writer_of(entry.path().filename().string(), path.filename().string());
    if (writer > 0 && ::kill(writer, 0) != 0 && errno == ESRCH) std::filesystem::remove(entry.path(), ignored);
  }
}

PAM_FUNC void write_atomically(const std::filesystem::path& path, const std::function<void(std::ostream&)>& write) {
  std::error_code ignored;
  const auto target =
      std::filesystem::is_symlink(path, ignored) ? std::filesystem::weakly_canonical(path, ignored) : path;
  struct stat old {};
  const bool exists = ::stat(target.c_str(), &old) == 0;
  // Renaming over a device such as /dev/null would replace the device for everybody.
  check(!exists || S_ISREG(old.st_mode), "{}: is a folder or device, not a file; name a file to write", path.string());
  check(target.has_filename(), "{}: names no file; name a file to write", path.string());
  check(!exists || ::access(target.c_str(), W_OK) == 0, "{}: is write-protected; choose another name", path.string());

  detail::TemporaryFile file(target, 0666);
  if (file.descriptor() < 0) detail::fail_writing(path, "create a file there", errno);
  if (exists) static_cast<void>(::fchmod(file.descriptor(), old.st_mode & 07777));
  detail::DescriptorBuffer buffer(file.descriptor());
  std::ostream stream(&buffer);
  try {
    write(stream);
    stream.flush();
  } catch (...) {
    if (buffer.error() != 0) detail::fail_writing(path, "write", buffer.error());  // the cause of what was thrown
    throw;
  }
  if (buffer.error() != 0) detail::fail_writing(path, "write", buffer.error());
  check(stream.good(), "{}: the content could not be written: its stream failed", path.string());
  if (::fsync(file.descriptor()) != 0) detail::fail_writing(path, "sync", errno);
  if (!file.close()) detail::fail_writing(path, "close", errno);
  if (!file.rename_to(target)) detail::fail_writing(path, "rename the finished file", errno);
  detail::sync_folder(target.has_parent_path() ? target.parent_path() : std::filesystem::path("."));
}

}  // namespace pam
