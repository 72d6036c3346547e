// SPDX-License-Identifier: MIT
/// Asks Debian's Python (numpy, scipy, torch) for the right answer: the tests' independent source.
#pragma once

#include <nlohmann/json.hpp>

#include "support/python.hpp"

#include <cstdlib>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>

namespace pam::test {

/// Runs `script` in `python()`. The script finds its input in the variable `data` and leaves its answer, made of lists and
/// finite numbers, in `answer`. `modules`: what it imports, as "numpy, torch". Empty if that Python or one of the modules
/// is absent (PAM_SKIP then); throws if the script fails.
inline std::optional<nlohmann::json> ask_python(const std::string& modules, const std::string& script,
                                                const nlohmann::json& data) {
  TempDir dir;
  std::ofstream(dir / "data.json") << data;
  std::ofstream(dir / "script.py") << "import sys, json\n"
                                   << "try:\n  import " << modules << "\nexcept ImportError: sys.exit(77)\n"
                                   << "folder = sys.argv[1]\n"
                                   << "data = json.load(open(folder + '/data.json'))\n"
                                   << script << "\njson.dump(answer, open(folder + '/answer.json', 'w'))\n";
  const auto quoted = [](const std::string& text) { return "'" + text + "'"; };
  const auto status = std::system((quoted(python()) + " " + quoted(dir / "script.py") + " " +
                                   quoted(dir.path().string()) + " > " + quoted(dir / "log") + " 2>&1")
                                      .c_str());
  const int code = status == -1 ? -1 : (status >> 8) & 0xff;
  if (code == 77 || code == 127 || code == 126) return std::nullopt;
  if (status != 0) throw std::runtime_error("the Python of a test failed: " + text_of(dir / "log"));
  return nlohmann::json::parse(std::ifstream(dir / "answer.json"));
}

}  // namespace pam::test
