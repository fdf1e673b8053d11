/* ---- Errors: where in the mapper, at which point, and what ---- */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A mapper need not use every helper. */
#define HELPER __attribute__((unused)) static
#define INLINE __attribute__((unused)) static inline

/* A location in the mapper's text. */
typedef uint32_t source_location;
#define AT(line, column) ((source_location)(line) << 12 | (source_location)(column))
#define NOWHERE ((source_location)0)

/* What is asked of a mapping function: its launch, as the mapped task sees it. */
typedef struct launch {
    bool single, has_parent;
    int32_t dimensions; /* of an index launch */
    const int32_t *point, *extents, *lower; /* no `lower`: zeros */
    mapper_point at; /* of a single task: the processor of its parent, and of which kind it is */
    int32_t at_kind;
} launch;

static const char *const ERROR_LABELS[] = {
#define ERROR_LABEL(name, label) label,
    MAPPER_ERROR_CODES(ERROR_LABEL)
#undef ERROR_LABEL
};

HELPER void add_text(mapper_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

HELPER void add_text(mapper_error *error, const char *format, ...)
{
    size_t used = strlen(error->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text + used, sizeof error->text - used, format, arguments);
    va_end(arguments);
}

HELPER void add_point(mapper_error *error, const launch *launch)
{
    if (!launch || launch->single) return;
    error->dimensions = launch->dimensions;
    add_text(error, " at point (");
    for (int32_t d = 0; d < launch->dimensions; d++) {
        if (d < MAPPER_ERROR_POINT) error->point[d] = launch->point[d];
        add_text(error, d ? ", %d" : "%d", launch->point[d]);
    }
    add_text(error, ")");
}

/* "circuit.mapper:12:9: at point (0, 5): node 5 is ...", and the line below it. */
HELPER int32_t write_error(mapper_error *error, source_location at, int32_t code,
                           const launch *launch, const char *sentence)
{
    if (!error) return code;
    error->code = code;
    error->line = (int32_t)(at >> 12);
    error->column = (int32_t)(at & 0xfff);
    error->dimensions = 0;
    error->label = ERROR_LABELS[code];
    error->text[0] = '\0';
    add_text(error, "%s", MAPPER_NAME);
    if (at != NOWHERE) add_text(error, ":%d:%d", error->line, error->column);
    add_text(error, ": %s", sentence);
    add_point(error, launch);
    if (error->line >= 1 && error->line <= SOURCE_LINE_COUNT)
        add_text(error, "\n    %s", SOURCE_LINES[error->line - 1]);
    return code;
}
