/* The way of frames from one tap to another, timed: what is written to a tap a guest sent, as with QEMU.
 *
 *   path frames ROUNDS COUNT  WAY...    COUNT frames there, 32 at a time
 *   path echo ROUNDS COUNT    WAY...    COUNT times one there and its answer back
 *   path stream ROUNDS MIB    WAY...    that much on a TCP connection
 *   path turns ROUNDS COUNT   WAY...    COUNT times a byte there and one back on it
 *
 * A WAY is the descriptors of two taps of the node, joined by commas. Of frames and echo standard input has
 * two frames for each, there and back, with two bytes of length before them, the low one first. For stream and turns
 * come the taps of two network stacks at their ends, and a connected socket in each.
 *
 * One thread does everything in turn, on one processor: what is compared is work, not when somebody wakes up. And a
 * round goes each way once, so whatever else the machine does meets all of them. Says for each round and
 * way its nanoseconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 10, AT_ONCE = 32, WAYS = 8, LARGE = 1 << 18 };
struct frame { size_t length; unsigned char bytes[HEADER + 2000]; };
struct way { int tap[2], stack[2], connection[2]; struct frame frame[2]; };
static struct way ways[WAYS];
static unsigned char buffer[LARGE];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void whole(void *to, size_t count)
{
    if (fread(to, 1, count, stdin) != count)
        fail("frames");
}

/* Waits for one of them; whoever waits in vain has lost what it waits for. */
static void await(const int *descriptors, int count)
{
    struct pollfd each[6];
    for (int i = 0; i < count; i++)
        each[i] = (struct pollfd){descriptors[i], POLLIN, 0};
    if (poll(each, count, 3000) <= 0)
        fail("nothing arrives");
}

static void put(struct way *way, int from)
{
    struct frame *frame = &way->frame[from];
    if (write(way->tap[from], frame->bytes, frame->length) != (ssize_t)frame->length)
        fail("frame");
}

/* Takes what the other one put, and leaves out what else comes. */
static void take(struct way *way, int at)
{
    struct frame *frame = &way->frame[!at];
    for (;;) {
        ssize_t got = read(way->tap[at], buffer, sizeof buffer);
        if (got < 0 && errno == EAGAIN)
            await(&way->tap[at], 1);
        else if (got < 0)
            fail("tap");
        else if (got == (ssize_t)frame->length && !memcmp(buffer + HEADER, frame->bytes + HEADER, 12))
            return;
    }
}

static void frames(struct way *way, long count)
{
    for (long done = 0; done < count; done += AT_ONCE) {
        for (int i = 0; i < AT_ONCE; i++)
            put(way, 0);
        for (int i = 0; i < AT_ONCE; i++)
            take(way, 1);
    }
}

static void echo(struct way *way, long count)
{
    while (count--) {
        put(way, 0);
        take(way, 1);
        put(way, 1);
        take(way, 0);
    }
}

/* Everything that lies ready, from one descriptor to the other. */
static int carry(int from, int to)
{
    int moved = 0;
    ssize_t got;
    while ((got = read(from, buffer, sizeof buffer)) > 0) {
        if (write(to, buffer, got) != got && errno != EINVAL && errno != EIO)
            fail("carry");
        moved = 1;
    }
    return moved;
}

static int carry_all(struct way *way)
{
    int moved = 0;
    for (int end = 0; end < 2; end++)
        moved |= carry(way->stack[end], way->tap[end]);
    for (int end = 0; end < 2; end++)
        moved |= carry(way->tap[end], way->stack[end]);
    return moved;
}

static ssize_t receive(struct way *way, int end)
{
    ssize_t got = recv(way->connection[end], buffer, sizeof buffer, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        fail("connection");
    return got;
}

static void rest(struct way *way)
{
    int all[] = {way->tap[0], way->tap[1], way->stack[0], way->stack[1], way->connection[1], way->connection[0]};
    await(all, 6);
}

static void stream(struct way *way, long mib)
{
    long left = mib << 20, unsent = left;
    while (left > 0) {
        size_t next = unsent < LARGE ? unsent : LARGE;
        ssize_t got, sent = next ? send(way->connection[0], buffer, next, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
        if (sent < 0 && errno != EAGAIN)
            fail("connection");
        unsent -= sent > 0 ? sent : 0;
        int moved = carry_all(way) | (sent > 0);
        while ((got = receive(way, 1)) > 0) {
            left -= got;
            moved = 1;
        }
        if (!moved)
            rest(way);
    }
}

static void turn(struct way *way, int from)
{
    if (send(way->connection[from], buffer, 1, MSG_NOSIGNAL) != 1)
        fail("connection");
    while (receive(way, !from) < 0)
        if (!carry_all(way))
            rest(way);
}

static void turns(struct way *way, long count)
{
    while (count--) {
        turn(way, 0);
        turn(way, 1);
    }
}

/* What is still under way, as the last acknowledgement: lost, it would slow down who is measured next. */
static void settle(struct way *way)
{
    struct pollfd stack[] = {{way->stack[0], POLLIN, 0}, {way->stack[1], POLLIN, 0}};
    do
        while (carry_all(way))
            ;
    while (poll(stack, 2, 250) > 0);
}

static void read_frames(struct way *way)
{
    for (int i = 0; i < 2; i++) {
        unsigned char length[2];
        whole(length, 2);
        way->frame[i].length = HEADER + (length[0] | length[1] << 8);
        if (way->frame[i].length > sizeof way->frame[i].bytes)
            fail("frame");
        whole(way->frame[i].bytes + HEADER, way->frame[i].length - HEADER);
    }
}

int main(int count, char **words)
{
    int amount = count - 4;
    if (amount < 1 || amount > WAYS)
        return 2;
    void (*go)(struct way *, long) = !strcmp(words[1], "frames") ? frames
                                     : !strcmp(words[1], "echo") ? echo
                                     : !strcmp(words[1], "stream") ? stream : turns;
    for (int i = 0; i < amount; i++) {
        struct way *way = &ways[i];
        sscanf(words[4 + i], "%d,%d,%d,%d,%d,%d", &way->tap[0], &way->tap[1], &way->stack[0], &way->stack[1],
               &way->connection[0], &way->connection[1]);
        if (go == frames || go == echo)
            read_frames(way);
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    if (sched_setaffinity(0, sizeof one, &one))
        fail("processor");
    for (long round = atol(words[2]); round > 0; round--)
        for (int i = 0; i < amount; i++) {
            struct timespec began, ended;
            clock_gettime(CLOCK_MONOTONIC, &began);
            go(&ways[i], atol(words[3]));
            clock_gettime(CLOCK_MONOTONIC, &ended);
            printf("%d %lld\n", i, (ended.tv_sec - began.tv_sec) * 1000000000LL + ended.tv_nsec - began.tv_nsec);
        }
    for (int i = 0; i < amount && (go == stream || go == turns); i++)
        settle(&ways[i]);
    return 0;
}
