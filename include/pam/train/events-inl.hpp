// SPDX-License-Identifier: MIT
/// The definitions of events.hpp.
#pragma once

#include <pam/train/events.hpp>

#include <utility>

namespace pam {

PAM_FUNC std::string to_string(StopReason reason) {
  switch (reason) {
    case StopReason::Completed:
      return "completed";
    case StopReason::EarlyStopped:
      return "early stop";
    case StopReason::Interrupted:
      return "interrupted";
    case StopReason::StopRequested:
      return "stop requested";
  }
  return "unknown";
}

PAM_FUNC EventHandler combine(std::vector<EventHandler> handlers) {
  return [handlers = std::move(handlers)](const Event& event) {
    for (const auto& handler : handlers) {
      if (handler) handler(event);
    }
  };
}

}  // namespace pam
