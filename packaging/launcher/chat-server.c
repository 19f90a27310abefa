/*
 * /opt/chat-server/chat-server: the distribution's libpython, running the module chat_server from lib/ beside this file.
 *
 * An executable of its own, not a script, so that the process is called chat-server wherever processes are shown, and
 * so that security updates of Python and OpenSSL arrive as Debian's. The interpreter is isolated: no PYTHON* variable,
 * no user's or site's packages and no .pth file can change what runs.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define TEXT_OF(macro) TEXT(macro)
#define TEXT(token) #token
#define STANDARD_LIBRARY "/usr/lib/python" TEXT_OF(PY_MAJOR_VERSION) "." TEXT_OF(PY_MINOR_VERSION)

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says in one line why there is nothing to run; gives the exit code. */
static int fail(const char *format, ...)
{
    va_list details;

    va_start(details, format);
    fputs("chat-server: ", stderr);
    vfprintf(stderr, format, details);
    fputc('\n', stderr);
    va_end(details);
    return EX_OSERR;
}

/* The path of this executable, through symbolic links. Gives EX_OK, or the exit code. */
static int find_executable(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);

    if (length < 0)
        return fail("/proc/self/exe: %s: is /proc mounted?", strerror(errno));
    if ((size_t)length == size - 1)
        return fail("the path of the executable is longer than %zu bytes", size - 2);
    path[length] = '\0';
    return EX_OK;
}

/* The directory lib/ beside the executable. Gives EX_OK, or the exit code. */
static int find_library(const char *executable, char *path, size_t size)
{
    int length = snprintf(path, size, "%.*s/lib", (int)(strrchr(executable, '/') - executable), executable);

    if (length < 0 || (size_t)length >= size)
        return fail("the path of the executable is too long");
    if (access(path, R_OK | X_OK) != 0)
        return fail("%s: %s: install the package chat-server again", path, strerror(errno));
    return EX_OK;
}

static PyStatus append_path(PyConfig *config, const char *path)
{
    wchar_t *decoded = Py_DecodeLocale(path, NULL);
    PyStatus status;

    if (decoded == NULL)
        return PyStatus_NoMemory();
    status = PyWideStringList_Append(&config->module_search_paths, decoded);
    PyMem_RawFree(decoded);
    return status;
}

/* Of all that Python finds out about its surroundings, only what is said here. */
static PyStatus configure(PyConfig *config, const char *executable, const char *library, int argc, char **argv)
{
    const char *paths[] = {STANDARD_LIBRARY, STANDARD_LIBRARY "/lib-dynload", library};
    PyStatus status;

    config->parse_argv = 0; /* the arguments are chat-server's, not Python's */
    config->site_import = 0;
    config->write_bytecode = 0;
    config->install_signal_handlers = 1; /* Ctrl-C is KeyboardInterrupt */
    config->faulthandler = 1;            /* a crash, or the watchdog's SIGABRT, shows where each thread was */

    status = PyConfig_SetBytesString(config, &config->home, "/usr");
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(config, &config->executable, executable);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(config, &config->run_module, "chat_server");
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesArgv(config, argc, argv);

    config->module_search_paths_set = 1;
    for (size_t i = 0; i < sizeof paths / sizeof *paths && !PyStatus_Exception(status); i++)
        status = append_path(config, paths[i]);
    return status;
}

/* UTF-8 whatever the locale says: the journal, cron and containers have none. */
static PyStatus prepare(void)
{
    PyPreConfig early;

    PyPreConfig_InitIsolatedConfig(&early);
    early.utf8_mode = 1;
    return Py_PreInitialize(&early);
}

int main(int argc, char **argv)
{
    char executable[PATH_MAX];
    char library[PATH_MAX];
    PyConfig config;
    PyStatus status;
    int failure = find_executable(executable, sizeof executable);

    if (failure == EX_OK)
        failure = find_library(executable, library, sizeof library);
    if (failure != EX_OK)
        return failure;

    status = prepare();
    if (PyStatus_Exception(status))
        Py_ExitStatusException(status);
    PyConfig_InitIsolatedConfig(&config);
    status = configure(&config, executable, library, argc, argv);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status))
        Py_ExitStatusException(status);
    return Py_RunMain();
}
