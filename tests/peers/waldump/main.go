// Command waldump reads a log with etcd's own package and prints what clients asked for, one
// request a line, so that the log of one server can be compared with that of another.
package main

import (
	"fmt"
	"os"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: waldump WAL-FOLDER")
		os.Exit(2)
	}
	if err := dump(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func dump(folder string) error {
	var start walpb.Snapshot
	if _, err := wal.Verify(zap.NewNop(), folder, &start); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	log, err := wal.OpenForRead(zap.NewNop(), folder, &start)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer log.Close()
	metadata, state, entries, err := log.ReadAll()
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	var member pb.Metadata
	if err := proto.Unmarshal(metadata, &member); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	fmt.Printf("node %x cluster %x term %d\n", member.GetNodeID(), member.GetClusterID(), state.GetTerm())
	for place, entry := range entries {
		if entry.GetIndex() != uint64(place+1) {
			return fmt.Errorf("entry %d has index %d", place+1, entry.GetIndex())
		}
		if err := show(entry); err != nil {
			return fmt.Errorf("entry %d: %w", entry.GetIndex(), err)
		}
	}
	return nil
}

func show(entry *raftpb.Entry) error {
	if entry.GetType() != raftpb.EntryNormal || len(entry.GetData()) == 0 {
		return nil
	}
	var request pb.InternalRaftRequest
	if err := proto.Unmarshal(entry.GetData(), &request); err != nil {
		return err
	}
	// Each server numbers its requests and tells of itself in its own way.
	if request.ClusterMemberAttrSet != nil || request.ClusterVersionSet != nil {
		return nil
	}
	request.Header = nil
	text, err := protojson.Marshal(&request)
	if err != nil {
		return err
	}
	fmt.Println(string(text))
	return nil
}
