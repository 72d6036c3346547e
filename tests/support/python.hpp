// SPDX-License-Identifier: MIT
/// Debian's Python as an independent source: scripts run as a subprocess, results come back through files or stdout.
#pragma once

#include "support/files.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/wait.h>

namespace pam::test {

/// The environment variable PAM_PYTHON, else Debian's interpreter (a bare `python3` may be one without the modules).
inline std::string python() {
  const char* named = std::getenv("PAM_PYTHON");
  return named != nullptr ? named : "/usr/bin/python3";
}

/// Whether Python runs and imports all of `modules`, for example "numpy, scipy.ndimage".
/// Tests that need it: `if (!python_has("numpy")) PAM_SKIP("Debian's python3-numpy is absent");`
inline bool python_has(const std::string& modules) {
  return std::system((python() + " -c 'import " + modules + "' >/dev/null 2>&1").c_str()) == 0;
}

/// Runs `script` with `arguments` (sys.argv[1:]) and returns what it printed. Throws with its messages where it failed.
inline std::string run_python(const std::string& script, const std::vector<std::string>& arguments = {}) {
  const TempDir folder;
  std::ofstream(folder / "script.py") << script;
  std::string command = python() + " '" + (folder / "script.py").string() + "'";
  for (const auto& argument : arguments) command += " '" + argument + "'";
  command += " >'" + (folder / "out").string() + "' 2>&1";
  const int status = std::system(command.c_str());
  auto printed = text_of(folder / "out");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("python failed: " + printed);
  return printed;
}

}  // namespace pam::test
