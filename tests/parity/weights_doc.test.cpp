// SPDX-License-Identifier: MIT
// The commands of docs/weights.md, as they stand there: Python -> C++ -> Python.
#include <pam/core/error.hpp>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/python.hpp"

#include <cstdlib>
#include <fstream>

namespace parity_weights_doc_test {

using namespace pam;
using namespace pam::test;

TEST_CASE("the commands of docs/weights.md take weights from Python to C++ and back", "[parity]") {
  if (!python_has("torch")) PAM_SKIP("needs Python with torch (Debian: python3-torch)");
#ifndef PAM_BIN_DIR
  PAM_SKIP("the build does not say where its programs are");
#else
  const std::filesystem::path source(PAM_SOURCE_DIR), programs(PAM_BIN_DIR);
  if (!std::filesystem::exists(programs / "load_python_weights")) PAM_SKIP("load_python_weights was not built");
  const auto document = text_of(source / "docs" / "weights.md");
  const auto begin = document.find("```sh\n"), end = document.find("```\n", begin + 1);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);

  const TempDir folder;
  std::ofstream(folder / "commands.sh") << document.substr(begin + 6, end - begin - 6);
  std::filesystem::create_directory_symlink(source / "python", folder / "python");
  std::filesystem::create_directory(folder / "bin");
  std::ofstream(folder / "bin/python3") << "#!/bin/sh\nexec '" << python() << "' \"$@\"\n";
  std::filesystem::permissions(folder / "bin/python3", std::filesystem::perms::owner_all);
  const auto run = fmt::format("cd '{0}' && PATH='{0}/bin:{1}':$PATH OMP_NUM_THREADS=1 sh -eu commands.sh > log 2>&1",
                               folder.path().string(), programs.string());
  const auto status = std::system(run.c_str());
  INFO(text_of(folder / "log"));
  REQUIRE(status == 0);
#endif
}

}  // namespace parity_weights_doc_test
