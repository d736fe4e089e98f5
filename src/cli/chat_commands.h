// What a person says to the program and not to the model: "/help", "/params temperature=0.5".
#pragma once
#include <string>

#include "engine/chat.h"

namespace longhaul {

// What the loop of a chat does next.
enum class ChatStep { kAsk, kAnswer, kLeave };

// Whether a line is a command: it begins with "/" or, as in FastChat, with "!!". "//" begins a text with a slash.
bool is_chat_command(const std::string& line);
// Runs it; what it has to say goes to stdout. kAnswer: the last question is to be answered (again). Error for a command that
// does not exist, or cannot do what it is asked; nothing has changed then. `format` is what a saved file names.
ChatStep run_chat_command(Chat& chat, const std::string& format, const std::string& line);

}  // namespace longhaul
