/* A client that costs next to nothing, so that what is measured is the server.
 *
 *   load play SOCKET LOOPS GROUP CALLS RESULTS   one caller, one connection, one call at a time
 *   load answer SOCKET                           an empty answer to every call: how fast can the caller be?
 *
 * CALLS is a sequence of calls: a 32-bit length, then a HEADERS and a DATA frame (RFC 9113) whose stream
 * identifiers are filled in here. The caller says "ready" when it is connected, starts when it can read a byte, plays
 * the calls LOOPS times, and ends before that on SIGTERM, after a multiple of GROUP calls. RESULTS gets three 64-bit
 * numbers for each call: when it began and when it ended (CLOCK_MONOTONIC, ns), and how many bytes of messages
 * came; none: it failed, for an answer without a message is an error in gRPC. It then prints the CPU time it took, in ns.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE };
enum { ACK = 1, END_STREAM = 1 };
enum { FRAME = 9, LIMIT = 1 << 21 };

struct frame { uint32_t length, stream; uint8_t type, flags; const uint8_t *payload; };
struct result { uint64_t begun, ended, bytes; };

static int connection;
static volatile sig_atomic_t stopped;
static uint8_t buffer[1 << 18];
static size_t begin, end;

static void stop(int number) { (void)number; stopped = 1; }

static uint64_t now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * UINT64_C(1000000000) + time.tv_nsec;
}

static void send_all(const void *data, size_t size)
{
    for (const uint8_t *at = data; size;) {
        ssize_t sent = send(connection, at, size, MSG_NOSIGNAL);
        if (sent < 0) err(1, "send");
        at += sent;
        size -= sent;
    }
}

/* Have SIZE bytes in the buffer; 0: the peer is gone. */
static int fill(size_t size)
{
    if (sizeof buffer - begin < size || begin == end) {
        memmove(buffer, buffer + begin, end - begin);
        end -= begin;
        begin = 0;
    }
    while (end - begin < size) {
        ssize_t got = read(connection, buffer + end, sizeof buffer - end);
        if (got <= 0) return 0;
        end += got;
    }
    return 1;
}

static int next_frame(struct frame *frame)
{
    if (!fill(FRAME)) return 0;
    const uint8_t *head = buffer + begin;
    frame->length = head[0] << 16 | head[1] << 8 | head[2];
    frame->type = head[3];
    frame->flags = head[4];
    frame->stream = (head[5] & 127u) << 24 | head[6] << 16 | head[7] << 8 | head[8];
    if (frame->length > sizeof buffer - FRAME) errx(1, "a frame of %u bytes", frame->length);
    if (!fill(FRAME + frame->length)) return 0;
    frame->payload = buffer + begin + FRAME;
    begin += FRAME + frame->length;
    return 1;
}

/* Answer what concerns the connection; 1: it was that. */
static int keep_up(const struct frame *frame)
{
    if (frame->type == SETTINGS && !(frame->flags & ACK)) {
        send_all("\0\0\0\4\1\0\0\0\0", FRAME);
    } else if (frame->type == PING && !(frame->flags & ACK)) {
        uint8_t pong[FRAME + 8] = {0, 0, 8, PING, ACK};
        memcpy(pong + FRAME, frame->payload, 8);
        send_all(pong, sizeof pong);
    } else if (frame->type == GOAWAY) {
        errx(1, "the server closed the connection");
    }
    return frame->stream == 0;
}

static void set_stream(uint8_t *frame, uint32_t stream)
{
    for (int byte = 0; byte < 4; byte++) frame[5 + byte] = stream >> (24 - 8 * byte);
}

static void open_connection(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    connection = socket(AF_UNIX, SOCK_STREAM, 0);
    while (connect(connection, (struct sockaddr *)&address, sizeof address)) {
        if (stopped) exit(1);
        usleep(500); /* a server that is still starting */
    }
    /* Windows as large as they can be, so that no server waits for this client. */
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                  "\0\0\6\4\0\0\0\0\0" "\0\4\x7f\xff\xff\xff"
                                  "\0\0\4\x8\0\0\0\0\0" "\x7f\xff\0\0";
    send_all(preface, sizeof preface - 1);
    struct frame frame;
    do {
        if (!next_frame(&frame)) errx(1, "the server ended");
        keep_up(&frame);
    } while (frame.type != SETTINGS);
}

/* Returns how many bytes of messages came. */
static uint64_t call(uint8_t *frames, size_t size, uint32_t stream)
{
    set_stream(frames, stream);
    set_stream(frames + FRAME + (frames[0] << 16 | frames[1] << 8 | frames[2]), stream);
    send_all(frames, size);
    for (uint64_t bytes = 0;;) {
        struct frame frame;
        if (!next_frame(&frame)) errx(1, "the server ended");
        if (keep_up(&frame) || frame.stream != stream) continue;
        if (frame.type == RST_STREAM) return 0;
        if (frame.type == DATA) bytes += frame.length;
        if ((frame.type == DATA || frame.type == HEADERS) && frame.flags & END_STREAM) return bytes;
    }
}

static int play(char **arguments)
{
    int file = open(arguments[3], O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status)) err(1, "%s", arguments[3]);
    uint8_t *calls = malloc(status.st_size), *last = calls + status.st_size;
    if (read(file, calls, status.st_size) != status.st_size) err(1, "%s", arguments[3]);
    long loops = atol(arguments[1]), group = atol(arguments[2]);
    struct result *results = malloc(LIMIT * sizeof *results);
    size_t done = 0;

    signal(SIGTERM, stop);
    open_connection(arguments[0]);
    puts("ready");
    fflush(stdout);
    char go;
    if (read(STDIN_FILENO, &go, 1) != 1) return 1;

    uint64_t busy = now(CLOCK_PROCESS_CPUTIME_ID);
    for (uint8_t *at = calls; loops && done < LIMIT; done++) {
        if (stopped && done && done % group == 0) break;
        uint32_t size;
        memcpy(&size, at, sizeof size);
        results[done].begun = now(CLOCK_MONOTONIC);
        results[done].bytes = call(at + sizeof size, size, 2 * done + 1);
        results[done].ended = now(CLOCK_MONOTONIC);
        at += sizeof size + size;
        if (at == last) at = calls, loops--;
    }
    busy = now(CLOCK_PROCESS_CPUTIME_ID) - busy;

    FILE *output = fopen(arguments[4], "w");
    if (!output || fwrite(results, sizeof *results, done, output) != done || fclose(output)) err(1, "%s", arguments[4]);
    printf("%lu\n", busy);
    return 0;
}

static void answer_connection(void)
{
    /* HEADERS :status 200; DATA with an empty message; HEADERS grpc-status 0, the end. */
    uint8_t answer[] = "\0\0\1\1\4\0\0\0\0" "\x88"
                       "\0\0\5\0\0\0\0\0\0" "\0\0\0\0\0"
                       "\0\0\xf\1\5\0\0\0\0" "\0\xbgrpc-status\1" "0";
    struct frame frame;
    if (!fill(24)) return;
    begin += 24; /* the preface */
    send_all("\0\0\0\4\0\0\0\0\0", FRAME);
    while (next_frame(&frame)) {
        if (keep_up(&frame) || frame.type != DATA || !(frame.flags & END_STREAM)) continue;
        set_stream(answer, frame.stream);
        set_stream(answer + 10, frame.stream);
        set_stream(answer + 24, frame.stream);
        send_all(answer, sizeof answer - 1);
    }
}

static int answer(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 64)) err(1, "%s", path);
    signal(SIGCHLD, SIG_IGN);
    while ((connection = accept(listener, NULL, NULL)) >= 0) {
        if (!fork()) {
            answer_connection();
            _exit(0);
        }
        close(connection);
    }
    err(1, "accept");
}

int main(int count, char **arguments)
{
    if (count == 7 && !strcmp(arguments[1], "play")) return play(arguments + 2);
    if (count == 3 && !strcmp(arguments[1], "answer")) return answer(arguments[2]);
    errx(2, "usage: load play SOCKET LOOPS GROUP CALLS RESULTS | load answer SOCKET");
}
