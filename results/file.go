package results

// A File is one run as it was read back: its header, and a record for every cell that was done,
// skipped or failed, in the order of the file.
type File struct {
	Header  Header
	Records []Record
}
