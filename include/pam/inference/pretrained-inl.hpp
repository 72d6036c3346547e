// SPDX-License-Identifier: MIT
#pragma once

#include <pam/core/nearest.hpp>
#include <pam/inference/pretrained.hpp>
#include <pam/weights/state_dict.hpp>

#include <algorithm>
#include <cstdlib>
#include <system_error>

namespace pam {
namespace detail {

/// The names of the weights in `folders`, sorted, each once.
PAM_FUNC std::vector<std::string> pretrained_names(const std::vector<std::filesystem::path>& folders) {
  std::vector<std::string> names;
  for (const auto& folder : folders) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
      if (entry.path().extension() == ".safetensors") names.push_back(entry.path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace detail

PAM_FUNC std::vector<std::filesystem::path> pretrained_folders() {
  std::vector<std::filesystem::path> folders;
  if (const char* named = std::getenv("PAM_WEIGHTS_DIR"); named != nullptr && *named != '\0')
    folders.emplace_back(named);
  // PREFIX/bin/PROGRAM: right for a program that was built elsewhere, or with -ffile-prefix-map.
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) folders.push_back(program.parent_path().parent_path() / "share" / "pam" / "weights");
  // ROOT/include/pam/inference/pretrained-inl.hpp, as the compiler found it: an installation can be moved.
  const auto root = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path().parent_path();
  folders.push_back(root / "share" / "pam" / "weights");
  folders.push_back(root / "weights");
  return folders;
}

PAM_FUNC std::vector<std::string> pretrained_names() { return detail::pretrained_names(pretrained_folders()); }

PAM_FUNC std::filesystem::path pretrained_path(const std::string& name) {
  check(!name.empty() && name.find_first_of("/\\.") == std::string::npos,
        "pretrained: \"{}\" is no name of weights, such as hippocampus_fpa; load_network takes a path",
        detail::printable(name));
  const auto folders = pretrained_folders();
  for (const auto& folder : folders) {
    auto path = folder / (name + ".safetensors");
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) return path;
  }
  std::vector<std::string> places;
  for (const auto& folder : folders) places.push_back(folder.string());
  const auto names = detail::pretrained_names(folders);
  const auto known = names.empty() ? std::string("there are none")
                                   : formatted("did you mean {}? There are {}", nearest_names(name, names, 1).front(),
                                               joined(names, ", "));
  fail("pretrained: there are no weights \"{}\"; {} (looked in {}; the variable PAM_WEIGHTS_DIR names another folder)",
       detail::printable(name), known, joined(places, ", "));
}

PAM_LAZY_FUNC LoadedNetwork pretrained(const std::string& name) { return load_network(pretrained_path(name)); }

}  // namespace pam
