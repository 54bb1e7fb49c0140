# Writes the Lua files named in LIST, one a line and below ROOT, into the C
# file OUTPUT as an array of modules sorted by name:
#   cmake -D ROOT=lua -D LIST=modules.txt -D OUTPUT=lua_modules.c -P embed.cmake
# SPDX-License-Identifier: MIT
file(STRINGS ${LIST} files)

# "neap/cli/run.lua" is the module "neap.cli.run", "neap/init.lua" is "neap".
set(names)
foreach(file IN LISTS files)
  file(RELATIVE_PATH name ${ROOT} ${file})
  string(REGEX REPLACE "(/init)?\\.lua$" "" name ${name})
  string(REPLACE "/" "." name ${name})
  list(APPEND names ${name})
  set(file_of_${name} ${file})
endforeach()
list(SORT names COMPARE STRING)

set(arrays "")
set(entries "")
set(index 0)
foreach(name IN LISTS names)
  # A zero follows each source, so that no array is empty; it is not counted.
  file(READ ${file_of_${name}} bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}00")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "static const unsigned char source_${index}[] = {\n${bytes}};\n\n")
  string(APPEND entries "    {\"${name}\", (const char *)source_${index}, sizeof source_${index} - 1},\n")
  math(EXPR index "${index} + 1")
endforeach()

file(WRITE ${OUTPUT} "/* The Lua modules of neap, made by lua/embed.cmake.
 * SPDX-License-Identifier: MIT */
#include <stddef.h>

${arrays}struct neap__lua_module {
  const char *name;
  const char *source;
  size_t size;
};

extern const struct neap__lua_module neap__lua_modules[];
extern const size_t neap__lua_module_count;

/* Sorted by name as strcmp has it; a NULL name ends the array. */
const struct neap__lua_module neap__lua_modules[] = {
${entries}    {NULL, NULL, 0},
};

const size_t neap__lua_module_count = ${index};
")
