package kern

// turnPanel is how many columns of a Turn lie together.
const turnPanel = 16

// A Turn is a square matrix that rows of float32 are multiplied by, such as a rotation, in panels of
// 16 columns, the last filled up with zeros, in each row after row.
type Turn struct {
	dim    int
	panels []float32
}

// NewTurn returns the matrix m of dim × dim numbers, row after row.
func NewTurn(dim int, m []float32) *Turn {
	t := &Turn{dim, make([]float32, (dim+turnPanel-1)/turnPanel*turnPanel*dim)}
	for at := 0; at < dim; at += turnPanel {
		packPanel(t.panels[at*dim:], m[at:], dim, min(turnPanel, dim-at))
	}
	return t
}

// packPanel fills a panel with the first width columns of m, of rows of cols numbers, of which the last
// may end with these columns.
func packPanel(panel, m []float32, cols, width int) {
	for at := 0; at < len(m); at += cols {
		copy(panel, m[at:at+width])
		clear(panel[width:turnPanel])
		panel = panel[turnPanel:]
	}
}

// Apply sets every row of dst to the sum over k, in order, of src[k] times row k of the matrix, each
// product rounded before it is added. dst and src have equal length, of whole rows, and do not
// overlap.
func (t *Turn) Apply(dst, src []float32) {
	dim := t.dim
	rows := len(src) / dim
	dst, src = dst[:rows*dim], src[:rows*dim]
	clear(dst)
	if rows == 0 {
		return
	}
	for at := 0; at < dim; at += turnPanel {
		addPanel(dst[at:], src, t.panels[at*dim:], dim, dim, dim, rows, min(turnPanel, dim-at))
	}
}

// AddProducts adds rows of src times m, of n rows and cols columns, to rows of dst: to each of its cols
// numbers the sum over k < n, in order, of src[k] times row k of m, each product rounded before it is
// added. dst and src do not overlap.
func AddProducts(dst, src, m []float32, n, cols int) {
	if n == 0 || cols == 0 {
		return
	}
	rows := len(src) / n
	if rows == 0 {
		return
	}
	dst, m = dst[:rows*cols], m[:n*cols]
	var panel [turnPanel * 128]float32 // what is multiplied at a time lies together, and stays near
	for from := 0; from < n; from += 128 {
		to := min(from+128, n)
		for at := 0; at < cols; at += turnPanel {
			width := min(turnPanel, cols-at)
			packPanel(panel[:], m[from*cols+at:to*cols], cols, width)
			addPanel(dst[at:], src[from:], panel[:], cols, n, to-from, rows, width)
		}
	}
}

// addPanel adds rows of n numbers of src, srcStride apart, times a panel, of which width columns count, to
// rows of dst, dstStride apart.
func addPanel(dst, src, panel []float32, dstStride, srcStride, n, rows, width int) {
	_, _, _ = dst[(rows-1)*dstStride+width-1], src[(rows-1)*srcStride+n-1], panel[n*turnPanel-1]
	switch {
	case level < AVX2:
		for r := range rows {
			turnGeneric(dst[r*dstStride:][:width], src[r*srcStride:][:n], panel)
		}
	case width == turnPanel:
		addWhole(dst, src, panel, dstStride, srcStride, n, rows)
	default:
		var whole [64 * turnPanel]float32
		for r := 0; r < rows; r += 64 {
			some := min(64, rows-r)
			for i := range some {
				copy(whole[i*turnPanel:], dst[(r+i)*dstStride:][:width])
			}
			addWhole(whole[:], src[r*srcStride:], panel, turnPanel, srcStride, n, some)
			for i := range some {
				copy(dst[(r+i)*dstStride:][:width], whole[i*turnPanel:])
			}
		}
	}
}

func addWhole(dst, src, panel []float32, dstStride, srcStride, n, rows int) {
	fours := rows &^ 3
	if fours > 0 {
		turn4x16AVX2(&dst[0], &src[0], &panel[0], dstStride, srcStride, n, fours)
	}
	if fours < rows {
		turn1x16AVX2(&dst[fours*dstStride], &src[fours*srcStride], &panel[0], dstStride, srcStride, n, rows-fours)
	}
}

func turnGeneric(dst, src, panel []float32) {
	for _, x := range src {
		row := panel[:len(dst)]
		panel = panel[turnPanel:]
		for i, y := range row {
			dst[i] += float32(x * y)
		}
	}
}
