// The client of load.c once more, with grpc-go, which is what containerd calls a proxy plugin with.
//
//	load-go SOCKET LOOPS GROUP {CALLS RESULTS}...   a caller for each pair of files, all on one connection
//	load-go version                                 grpc-go's
//
// Files, standard input and output, and SIGTERM are as load.c has them.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

const frameHeader = 9

var stopped int32

// raw passes messages on as they are.
type raw struct{}

func (raw) Marshal(message interface{}) ([]byte, error) { return message.([]byte), nil }
func (raw) Unmarshal(data []byte, message interface{}) error {
	*message.(*int) = len(data)
	return nil
}
func (raw) Name() string   { return "proto" }
func (raw) String() string { return "proto" }

type call struct {
	method   string
	metadata metadata.MD
	message  []byte
}

// now is CLOCK_MONOTONIC in ns, by the clock of package time.
var now = func() func() uint64 {
	var clock unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock); err != nil {
		log.Fatal(err)
	}
	begin, start := time.Now(), uint64(clock.Nano())
	return func() uint64 { return start + uint64(time.Since(begin)) }
}()

// processTime is the CPU time of the process so far.
func processTime() int64 {
	var clock unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &clock); err != nil {
		log.Fatal(err)
	}
	return clock.Nano()
}

// read takes calls out of the frames of a file: headers that are literals, then one message.
func read(file string) (calls []call) {
	data, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	for len(data) > 0 {
		size := binary.LittleEndian.Uint32(data)
		frames := data[4 : 4+size]
		data = data[4+size:]
		length := int(frames[0])<<16 | int(frames[1])<<8 | int(frames[2])
		one := call{metadata: metadata.MD{}, message: frames[2*frameHeader+length+5:]}
		for block := frames[frameHeader : frameHeader+length]; len(block) > 0; {
			name, rest := text(block[1:])
			value, rest := text(rest)
			block = rest
			switch name {
			case ":path":
				one.method = value
			case "containerd-namespace":
				one.metadata.Set(name, value)
			}
		}
		calls = append(calls, one)
	}
	return calls
}

// text splits off a string of RFC 7541 that is not compressed and has fewer than 127 bytes.
func text(block []byte) (string, []byte) {
	end := 1 + int(block[0])
	return string(block[1:end]), block[end:]
}

func play(connection *grpc.ClientConn, calls []call, loops, group int) (results []uint64) {
	contexts := make([]context.Context, len(calls))
	for i, one := range calls {
		contexts[i] = metadata.NewOutgoingContext(context.Background(), one.metadata)
	}
	for done := 0; done < loops*len(calls); done++ {
		if atomic.LoadInt32(&stopped) != 0 && done > 0 && done%group == 0 {
			break
		}
		one := done % len(calls)
		size := 0
		begun := now()
		err := connection.Invoke(contexts[one], calls[one].method, calls[one].message, &size)
		ended := now()
		bytes := uint64(size + 5)
		if err != nil {
			log.Print(err)
			bytes = 0
		}
		results = append(results, begun, ended, bytes)
	}
	return results
}

func write(file string, results []uint64) {
	output, err := os.Create(file)
	if err == nil {
		err = binary.Write(output, binary.LittleEndian, results)
	}
	if err == nil {
		err = output.Close()
	}
	if err != nil {
		log.Fatal(err)
	}
}

func number(argument string) int {
	value, err := strconv.Atoi(argument)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	arguments := os.Args[1:]
	if len(arguments) == 1 && arguments[0] == "version" {
		fmt.Println(grpc.Version)
		return
	}
	if len(arguments) < 5 || len(arguments)%2 == 0 {
		log.Fatal("usage: load-go SOCKET LOOPS GROUP {CALLS RESULTS}... | load-go version")
	}
	loops, group, files := number(arguments[1]), number(arguments[2]), arguments[3:]

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		atomic.StoreInt32(&stopped, 1)
	}()
	connection, err := grpc.Dial(
		"unix://"+arguments[0], grpc.WithInsecure(), grpc.WithBlock(),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})),
	)
	if err != nil {
		log.Fatal(err)
	}
	var scripts [][]call
	for i := 0; i < len(files); i += 2 {
		scripts = append(scripts, read(files[i]))
	}
	fmt.Println("ready")
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		log.Fatal(err)
	}

	busy := processTime()
	results := make([][]uint64, len(scripts))
	var callers sync.WaitGroup
	for i, script := range scripts {
		callers.Add(1)
		go func(i int, script []call) {
			defer callers.Done()
			results[i] = play(connection, script, loops, group)
		}(i, script)
	}
	callers.Wait()
	busy = processTime() - busy
	for i, one := range results {
		write(files[2*i+1], one)
	}
	fmt.Println(busy)
}
